// What everything drawn is made of; texts of a graph are only ever set as text.
const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const addressOf = (item) => `#${isScope(item) ? "scope" : "operator"}=${encodeURIComponent(item.name)}`;
const link = (item, text) => make("a", {href: addressOf(item)}, text || item.name || item.label);
const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

function itemAt(address) {
  const found = /^#(scope|operator)=(.*)$/.exec(address);
  if (!found) return null;
  let name;
  try {
    name = decodeURIComponent(found[2]);
  } catch (error) {
    return null; // typed by hand
  }
  return (found[1] === "scope" ? scopes : byName).get(name) || null;
}

// The mark of an operator under each plan: a colour and a letter.
function marks(operator) {
  return operator.sides.map((side) => side
    ? make("span", {class: `mark ${side.kind}`, title: model.kinds[side.kind].words}, model.kinds[side.kind].letter)
    : make("span", {class: "mark absent", title: "not there"}, "\u00a0"));
}

const ENDS = {damage: [1e-4, 1e-3, 1e-2, 1e-1, 1], lost: [1e-6, 1e-3, 1e-2, 1e-1, 0.5],
              overflows: [1, 10, 100, 1e3, 1e4]};
const level = (quantity, value) => ENDS[quantity].filter((end) => value >= end).length;

function heatText(quantity, value) {
  if (quantity === "overflows") return String(value);
  if (quantity === "lost") return `${(100 * value).toFixed(1)} %`;
  return value >= 1e9 ? "infinite" : value === 0 ? "0" : value.toExponential(1);
}

function heatBar(item, quantity) {
  const value = heatOf(item, quantity);
  if (value === null || value === undefined) return make("span", {class: "heat"}, "-");
  const bar = make("span", {class: `bar heat${level(quantity, value)}`});
  bar.style.width = `${level(quantity, value) * 20}%`;
  return make("span", {class: "heat"}, make("span", {class: "track"}, bar), heatText(quantity, value));
}

// The kinds that there are of some operators, in the order of the legend: [kind, how many].
const counted = (kinds) => Object.keys(model.kinds).filter((kind) => kinds[kind]).map((kind) => [kind, kinds[kind]]);
const inWords = (kinds) => counted(kinds).map(([kind, count]) => `${count} ${model.kinds[kind].words}`).join(", ");
// Casts of each plan, once where both have as many; nothing without any.
function castsText(casts) {
  const alike = casts.every((count) => count === casts[0]);
  return alike ? (casts[0] ? plural(casts[0], "cast") : "") : `${casts.join(" | ")} casts`;
}
