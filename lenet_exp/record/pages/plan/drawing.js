// A drawing of a few operators and scopes, those in front above those behind.
const BOX = {width: 168, height: 42, across: 24, down: 46};
const MOST = 40; // boxes that a person can follow
const MOST_BESIDE = 8; // in front of one operator, and as many behind
const ABREAST = 3; // boxes that stand side by side

// The part of `scope` that an operator is in: a scope or an operator directly inside, else null.
function partOf(operator, scope) {
  let item = operator;
  while (item && item.parent !== scope) item = item.parent;
  return item;
}

// What is drawn of what is chosen, {items, edges, left}: edges from item to item, casts counted.
function partsOf(item) {
  const items = new Set(isScope(item) ? item.children.filter((child) => !isScope(child) || child.sums.shown) : [item]);
  const left = isScope(item) ? Math.max(0, items.size - MOST) : 0;
  if (left) return {items: [], edges: [], left: items.size};
  const edges = new Map();
  const add = (from, to, input) => {
    if (!from || !to || from === to) return;
    items.add(from).add(to);
    const targets = edges.get(from) || new Map();
    const edge = targets.get(to) || {from, to, count: 0, casts: new Set(), cast: 0};
    edge.count += 1;
    if (input.cast) edge.casts.add(`${input.cast} to ${input.dtype}`);
    if (input.cast) edge.cast += 1;
    edges.set(from, targets.set(to, edge));
  };
  if (isScope(item)) {
    for (const operator of inside(item)) {
      operator.own.inputs.forEach((input) => {
        const from = input.from === null ? null : partOf(operators[input.from], item);
        add(from, partOf(operator, item), input);
      });
    }
  } else {
    const plan = item.sides.indexOf(item.own);
    for (const input of item.own.inputs.filter((each) => each.tensor).slice(0, MOST_BESIDE)) {
      add(input.from === null ? sourceOf(input) : operators[input.from], item, input);
    }
    item.feeds[plan].slice(0, MOST_BESIDE).forEach((each) => add(item, each.operator, each.input));
  }
  return {items: [...items], edges: [...edges.values()].flatMap((each) => [...each.values()]), left: 0};
}

// What is no operator of the chip: a variable, a constant, data.
const sources = new Map();
function sourceOf(input) {
  const label = input.tensor.replace(/:0$/, "");
  if (!sources.has(label)) sources.set(label, {source: true, name: input.tensor, label});
  return sources.get(label);
}

function* inside(scope) {
  const waiting = [scope];
  while (waiting.length) {
    const item = waiting.pop();
    if (isScope(item)) waiting.push(...item.children);
    else yield item;
  }
}

// The row of each item: one below the lowest of those in front; an edge back up counts for nothing.
function ranksOf(items, edges) {
  const ranks = new Map(items.map((item) => [item, 0])), place = new Map(items.map((item, at) => [item, at]));
  const order = sorted(items, edges, place);
  for (const item of order.items) {
    for (const edge of order.forward.get(item) || []) {
      ranks.set(edge.to, Math.max(ranks.get(edge.to), ranks.get(item) + 1));
    }
  }
  return ranks;
}

function sorted(items, edges, place) {
  const forward = new Map(), waiting = new Map(items.map((item) => [item, 0])), done = [];
  for (const edge of edges) {
    forward.set(edge.from, [...(forward.get(edge.from) || []), edge]);
    waiting.set(edge.to, waiting.get(edge.to) + 1);
  }
  const left = new Set(items);
  while (left.size) {
    // Where all wait there is a cycle: it begins with the first.
    const next = [...left].sort((one, other) => waiting.get(one) - waiting.get(other) || place.get(one) - place.get(other))[0];
    left.delete(next);
    done.push(next);
    forward.set(next, (forward.get(next) || []).filter((edge) => left.has(edge.to)));
    for (const edge of forward.get(next)) waiting.set(edge.to, waiting.get(edge.to) - 1);
  }
  return {items: done, forward};
}

// Where each box stands: in its row under the middle of what is in front.
function places(items, edges) {
  const ranks = ranksOf(items, edges), levels = [];
  for (const item of items) (levels[ranks.get(item)] = levels[ranks.get(item)] || []).push(item);
  const lines = levels.flatMap((level) => Array.from({length: Math.ceil(level.length / ABREAST)},
    (_, at) => level.slice(at * ABREAST, (at + 1) * ABREAST)));
  const found = new Map(), widest = Math.max(...lines.map((line) => line.length));
  const step = BOX.width + BOX.across;
  lines.forEach((line, rank) => {
    const middle = (item) => {
      const before = edges.filter((edge) => edge.to === item && found.has(edge.from)).map((edge) => found.get(edge.from).x);
      return before.length ? before.reduce((sum, x) => sum + x, 0) / before.length : 0;
    };
    const wanted = new Map(line.map((item) => [item, middle(item)]));
    line.sort((one, other) => wanted.get(one) - wanted.get(other));
    const begin = ((widest - line.length) * step) / 2;
    line.forEach((item, at) => found.set(item, {x: begin + at * step + 1, y: rank * (BOX.height + BOX.down) + 1}));
  });
  return {found, width: widest * step - BOX.across + 2, height: lines.length * (BOX.height + BOX.down) - BOX.down + 2};
}

function drawing(item) {
  const {items, edges, left} = partsOf(item);
  if (left) return make("p", {class: "soft"}, `${left} parts: too many to draw. Choose a scope inside.`);
  if (items.length < 2) return null;
  const {found, width, height} = places(items, edges);
  const picture = draw("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "What feeds what"},
    ...edges.filter((edge) => !edge.cast).map((edge) => line(edge, found)),
    ...edges.filter((edge) => edge.cast).map((edge) => line(edge, found)),
    ...items.map((each) => box(each, found.get(each), each === item)));
  return make("div", {class: "scrolls drawing", tabindex: "0", role: "region", "aria-label": "Drawing"}, picture,
    two ? make("p", {class: "soft"}, `edges and casts: ${model.plans[isScope(item) ? 0 : item.sides.indexOf(item.own)].title}`) : "");
}

function line(edge, found) {
  const from = found.get(edge.from), to = found.get(edge.to), middle = BOX.width / 2;
  const [x, y, u, v] = [from.x + middle, from.y + BOX.height, to.x + middle, to.y];
  const bend = v > y ? (v - y) / 2 : BOX.down;
  const path = draw("path", {d: `M${x},${y} C${x},${y + bend} ${u},${v - bend} ${u},${v}`, class: edge.cast ? "edge cast" : "edge"});
  if (!edge.cast) return path;
  const said = edge.cast > 1 ? `${edge.cast} casts` : [...edge.casts][0].replace("float", "f").replace("float", "f");
  return draw("g", {}, path, draw("text", {x: (x + u) / 2, y: (y + v) / 2 + 4, class: "castlabel"}, said,
    draw("title", {}, [...edge.casts].join(", "))));
}

function box(item, at, marked) {
  const name = item.label.length > 19 ? `\u2026${item.label.slice(-18)}` : item.label;
  if (item.source) return sourceBox(item, name, at);
  const scope = isScope(item);
  const below = scope ? plural(item.sums.shown, "operator")
    : `${item.sides.map((side) => (side ? model.kinds[side.kind].letter : "not there")).join(" | ")}  ${item.own.type}`;
  const {x, y} = at, half = BOX.width / item.sides?.length;
  const shade = heat && heatOf(item, heat) !== null ? `heat${level(heat, heatOf(item, heat) || 0)}` : null;
  const fills = scope || shade
    ? [draw("rect", {x, y, width: BOX.width, height: BOX.height, class: `fill ${shade || "inside"}`})]
    : item.sides.map((side, plan) => draw("rect", {x: x + plan * half, y, width: half, height: BOX.height,
        class: `fill ${side ? side.kind : "absent"}`}));
  if (scope) fills.push(...sharesOf(item, x, y + BOX.height - 6));
  const dark = scope || shade ? [] : item.sides.filter((side) => side && side.kind === "refused");
  const refused = !dark.length ? "" : dark.length === item.sides.length ? " onrefused" : " halfrefused";
  return draw("a", {href: addressOf(item), class: `box${marked ? " marked" : ""}${scope ? " scope" : ""}${refused}`},
    ...fills,
    draw("rect", {x, y, width: BOX.width, height: BOX.height, class: "frame", rx: scope ? 8 : 0}),
    draw("text", {x: x + 8, y: y + 17}, name), draw("text", {x: x + 8, y: y + (scope ? 31 : 33), class: "below"}, below.slice(0, 26)),
    draw("title", {}, item.name));
}

const sourceBox = (item, name, {x, y}) => draw("g", {class: "box source"},
  draw("rect", {x, y, width: BOX.width, height: BOX.height, class: "frame", rx: 20}),
  draw("text", {x: x + BOX.width / 2, y: y + 25}, name), draw("title", {}, item.name));

// How much of a scope has which types, as a strip under its box; of two plans one each.
function sharesOf(scope, x, y) {
  const height = two ? 3 : 6;
  return scope.sums.kinds.flatMap((kinds, plan) => {
    const all = counted(kinds), whole = all.reduce((sum, [, count]) => sum + count, 0);
    let begin = x;
    return all.map(([kind, count]) => {
      const width = (BOX.width * count) / whole;
      begin += width;
      return draw("rect", {x: begin - width, y: y + plan * height, width, height, class: `fill ${kind}`});
    });
  });
}
