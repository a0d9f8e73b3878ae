// The side panel: all that is known of what is chosen.
const panel = document.getElementById("panel");
const WORST = 10, LISTED = 40;

function showPanel() {
  panel.replaceChildren(...[trail(chosen), ...(isScope(chosen) ? aboutScope(chosen) : aboutOperator(chosen))].filter(Boolean));
  panel.scrollTop = 0;
}

// The scopes around it, outermost first.
function trail(item) {
  const around = [];
  for (let scope = item.parent; scope; scope = scope.parent) around.unshift(scope);
  const parts = around.flatMap((scope) => [link(scope, scope.label), " / "]);
  return parts.length ? make("nav", {class: "trail", "aria-label": "Scopes around"}, ...parts) : null;
}

const facts = (rows) => make("table", {class: "facts"}, make("tbody", {}, ...rows));

// A row with a value for each plan; those that are not alike are marked.
function fact(head, values) {
  const texts = values.map((value) => (value === null || value === undefined || value === "" ? "-" : String(value)));
  const differ = texts.some((text) => text !== texts[0]);
  return make("tr", {class: differ ? "differs" : null}, make("th", {scope: "row"}, head, differ ? " \u2260" : ""),
    ...texts.map((text) => make("td", {}, text)));
}

const plansHead = () => two
  ? [make("tr", {}, make("th", {scope: "row"}, "plan"), ...model.plans.map((plan) => make("td", {}, plan.title)))] : [];

function aboutOperator(operator) {
  const of = (show) => operator.sides.map((side) => (side ? show(side) : "not there"));
  const rows = [
    ["types", (side) => side.types], ["is", (side) => model.kinds[side.kind].words], ["list", (side) => side.list],
    ["rule", (side) => side.rule], ["why", (side) => side.reason], ["engine", (side) => side.engine], ["unit", (side) => side.unit],
    ["casts", (side) => castsOf(side) || ""], ["FLOP", (side) => grouped(side.flops)], ["bytes", (side) => grouped(side.moved_bytes)],
    ["fused with", (side) => side.parts.join(", ")],
  ].map(([head, show]) => fact(head, of(show)));
  return [
    make("h2", {}, ...marks(operator), " ", operator.name),
    make("p", {class: "soft"}, `${operator.own.type}, of TensorFlow's ${operator.own.tf_type}; ${operator.section}`),
    ...measured(operator),
    facts([...plansHead(), ...rows]),
    drawing(operator),
    ...edgesOf(operator),
  ];
}

const grouped = (count) => (count === null ? "" : count.toLocaleString("en"));

function measured(operator) {
  if (!operator.heat) return [];
  const rows = Object.keys(model.heats).map((name) => make("tr", {}, make("th", {scope: "row"}, model.heats[name].name),
    make("td", {}, heatBar(operator, name)), make("td", {class: "soft"}, model.heats[name].about)));
  const first = operator.heat.first ? [make("p", {class: "worse"}, "An overflow begins here: nothing that feeds it has one.")] : [];
  return [...first, make("table", {class: "facts measured"}, make("tbody", {}, ...rows))];
}

// Inputs and outputs, of each plan; once where both are alike.
function edgesOf(operator) {
  const lists = operator.sides.map((side, plan) => (side ? [intoList(side), outOf(operator, side, plan)] : []));
  const alike = two && lists[0].map((each) => each.textContent).join() === lists[1].map((each) => each.textContent).join();
  return lists.slice(0, alike ? 1 : 2).flatMap((both, plan) => both.length
    ? [two && !alike ? make("h3", {}, model.plans[plan].title) : null, make("h3", {}, "inputs"), both[0], make("h3", {}, "outputs"), both[1]]
    : []);
}

function castOf(input) {
  if (!input.cast) return [input.dtype, input.origin !== input.dtype ? make("span", {class: "soft"}, ` (${input.origin} in the graph)`) : ""];
  return [make("span", {class: "castmark"}, `cast ${input.cast} \u2192 ${input.dtype}`, input.how ? `, ${input.how}` : "")];
}

const intoList = (side) => make("ol", {start: "0", class: "edges"}, ...side.inputs.map((input) => make("li", {},
  input.from === null ? make("span", {class: "soft"}, input.tensor || "made by a fusion") : link(operators[input.from]), " ", ...castOf(input))));

function outOf(operator, side, plan) {
  const types = side.outputs.map(([dtype, origin]) => (dtype === origin ? dtype : `${dtype} (${origin} in the graph)`)).join(", ");
  const later = side.casts - side.inputs.filter((input) => input.cast).length;
  const to = operator.feeds[plan], shown = to.slice(0, LISTED);
  return make("div", {}, make("p", {}, types || "none"),
    later > 0 ? make("p", {}, make("span", {class: "castmark"}, plural(later, "cast")), " at the end of its branches") : "", make("ul", {class: "edges"},
    ...shown.map((each) => make("li", {}, link(each.operator), ` input ${each.slot} `, ...(each.input.cast ? castOf(each.input) : [])))),
    to.length > LISTED ? make("p", {class: "soft"}, `and ${to.length - LISTED} more`) : "");
}

function aboutScope(scope) {
  const {shown, casts, changed, kinds} = scope.sums;
  const said = [plural(shown, "operator"), castsText(casts) || "no cast", two && `${changed} differ`].filter(Boolean).join(", ");
  const counts = kinds.map((each, plan) => make("ul", {class: "counts"}, two ? make("li", {}, `${model.plans[plan].title}:`) : "",
    ...counted(each).map(([kind, count]) => make("li", {}, make("span", {class: `mark ${kind}`}, model.kinds[kind].letter),
      ` ${count} ${model.kinds[kind].words}`))));
  return [make("h2", {}, scope.name || scope.label), make("p", {}, said), ...counts,
          ...worst(scope), drawing(scope), ...(scope === root ? aboutPlans() : [])];
}

// The operators of a scope with the largest values of what is measured.
function worst(scope) {
  const quantity = heat || (model.heats.damage ? "damage" : "");
  if (!quantity) return [];
  const found = [...inside(scope)].filter((each) => each.shown && heatOf(each, quantity) > 0)
    .sort((one, other) => heatOf(other, quantity) - heatOf(one, quantity)).slice(0, WORST);
  const rows = found.map((each) => make("li", {}, heatBar(each, quantity), " ", ...marks(each), " ", link(each)));
  return [make("h3", {}, `${model.heats[quantity].name}: ${model.heats[quantity].about}`), rows.length ? make("ol", {class: "worst"}, ...rows) : make("p", {}, "none")];
}

function aboutPlans() {
  const names = Object.keys(model.plans[0].figures);
  const rows = names.map((name) => fact(name, model.plans.map((plan) => plan.figures[name])));
  const said = [...new Set(model.plans.flatMap((plan) => plan.warnings))];
  const warnings = said.length ? [make("h3", {}, "warnings"), make("ul", {}, ...said.map((text) => make("li", {}, text)))] : [];
  return [make("h3", {}, two ? "both plans" : "the plan"), facts([...plansHead(), ...rows]), ...warnings];
}
