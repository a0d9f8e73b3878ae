"use strict";
// The operators in their scopes, and which of both are shown.
const model = JSON.parse(document.getElementById("model").textContent);
const operators = model.operators;
const two = model.plans.length > 1;
const FEW = 30; // rows that are open at first
const SOME = 300; // operators that a filter leaves, up to which it opens all scopes

const root = {name: "", label: "all operators", parent: null, children: [], depth: 0, open: true};
const scopes = new Map([["", root]]);

function scopeOf(name) {
  const lacking = [];
  for (let path = name; !scopes.has(path); path = path.slice(0, Math.max(path.lastIndexOf("/"), 0))) {
    lacking.push(path);
  }
  for (const path of lacking.reverse()) {
    const cut = path.lastIndexOf("/"), parent = scopes.get(path.slice(0, Math.max(cut, 0)));
    const made = {name: path, label: path.slice(cut + 1) || "/", parent, children: [], open: false,
                  depth: parent.depth + 1};
    parent.children.push(made);
    scopes.set(path, made);
  }
  return scopes.get(name);
}

const byName = new Map();
operators.forEach((operator) => {
  const scope = scopeOf(operator.scope), inside = scope.name ? scope.name.length + 1 : 0;
  operator.parent = scope;
  operator.depth = scope.depth + 1;
  operator.label = operator.name.slice(inside) || scope.label;
  operator.own = operator.sides.find(Boolean); // of the first plan that has it
  operator.text = [operator.name, operator.own.type, operator.own.tf_type, operator.own.reason,
                   ...operator.own.parts].join("\n").toLowerCase();
  operator.feeds = operator.sides.map(() => []);
  operator.shown = true;
  scope.children.push(operator);
  byName.set(operator.name, operator);
});
// Who takes what an operator gives, of each plan.
operators.forEach((operator) => operator.sides.forEach((side, plan) => {
  (side ? side.inputs : []).forEach((input, slot) => {
    if (input.from !== null) operators[input.from].feeds[plan].push({operator, slot, input});
  });
}));

const isScope = (item) => item.children !== undefined;
const castsOf = (side) => (side ? side.casts : 0);
const heatOf = (item, quantity) => (item.heat ? item.heat[quantity] : null);

// What the operators of a scope that are shown add up to; casts and kinds for each plan.
function sum(scope) {
  const sums = {shown: 0, changed: 0, first: 0, casts: model.plans.map(() => 0),
                kinds: model.plans.map(() => ({})), heat: {}};
  for (const child of scope.children) {
    const own = isScope(child) ? sum(child) : child.shown ? sumsOf(child) : null;
    if (!own) continue;
    for (const key of ["shown", "changed", "first"]) sums[key] += own[key];
    own.casts.forEach((count, plan) => { sums.casts[plan] += count; });
    own.kinds.forEach((kinds, plan) => {
      for (const kind in kinds) sums.kinds[plan][kind] = (sums.kinds[plan][kind] || 0) + kinds[kind];
    });
    for (const name in own.heat) sums.heat[name] = Math.max(sums.heat[name] || 0, own.heat[name]);
  }
  scope.sums = sums;
  scope.heat = sums.heat;
  return sums;
}

function sumsOf(operator) {
  const heat = {};
  for (const name in model.heats) if (operator.heat) heat[name] = operator.heat[name];
  return {shown: 1, changed: operator.changed ? 1 : 0, first: operator.heat && operator.heat.first ? 1 : 0,
          casts: operator.sides.map(castsOf), kinds: operator.sides.map((side) => (side ? {[side.kind]: 1} : {})), heat};
}

const ONLY = {
  "": ["all", () => true],
  casts: ["with casts", (operator) => operator.sides.some(castsOf)],
  changed: ["that differ", (operator) => operator.changed],
  first: ["where an overflow begins", (operator) => operator.heat && operator.heat.first],
};

// Show what fits: every word of the search, and of each side's list, rule and kind any.
function filter(wanted) {
  const words = wanted.search.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (side) => side && (!wanted.list || side.list === wanted.list)
    && (!wanted.rule || side.rule === wanted.rule) && wanted.kinds.has(side.kind);
  let count = 0;
  for (const operator of operators) {
    operator.shown = words.every((word) => operator.text.includes(word))
      && (!wanted.section || operator.section === wanted.section)
      && ONLY[wanted.only][1](operator) && operator.sides.some(fits);
    count += operator.shown;
  }
  sum(root);
  if (count <= SOME && count < operators.length) for (const scope of scopes.values()) scope.open = true;
  return count;
}

// The rows of the outline from top to bottom: what is shown, inside of what is open.
function rowsOf() {
  const rows = [], waiting = [root];
  while (waiting.length) {
    const item = waiting.pop();
    if (isScope(item) ? !item.sums.shown : !item.shown) continue;
    rows.push(item);
    if (isScope(item) && item.open) {
      for (let at = item.children.length - 1; at >= 0; at--) waiting.push(item.children[at]);
    }
  }
  return rows;
}

// Open the largest scopes as long as the rows stay few.
function openSome() {
  let rows = 1 + root.children.length;
  const closed = root.children.filter(isScope);
  while (closed.length) {
    closed.sort((one, other) => one.sums.shown - other.sums.shown);
    const largest = closed.pop();
    if (rows + largest.children.length > FEW) continue;
    largest.open = true;
    rows += largest.children.length;
    closed.push(...largest.children.filter(isScope));
  }
}
