// The outline: of all rows only those that can be seen are in the document.
const outline = document.getElementById("outline"), space = document.getElementById("space");
const drawn = document.getElementById("rows");
const BEYOND = 8; // rows above and below what can be seen
let rows = [], chosen = root, heat = "";

const narrow = () => matchMedia("(max-width: 900px)").matches;
const rowHeight = () => (narrow() ? 44 : 30);

function rowOf(item, place) {
  const scope = isScope(item);
  const row = make("div", {
    role: "treeitem", id: `row-${place}`, class: `row${scope ? " scope" : ""}`, "data-row": place,
    "aria-level": item.depth + 1, "aria-selected": item === chosen ? "true" : "false",
    "aria-expanded": scope ? String(item.open) : null,
  });
  row.style.paddingLeft = `${Math.min(item.depth, 14) * 14 + 4}px`;
  row.append(make("span", {class: "opener", "aria-hidden": "true"}, scope ? (item.open ? "\u25be" : "\u25b8") : ""));
  row.append(...(scope ? scopeCells(item) : operatorCells(item)));
  if (heat) row.append(heatBar(item, heat));
  return row;
}

function scopeCells(scope) {
  const {shown, casts, changed, first, kinds} = scope.sums;
  const said = [plural(shown, "operator"), castsText(casts), two && changed && `${changed} differ`,
                first && plural(first, "first overflow")].filter(Boolean).join(", ");
  const bars = kinds.map((each) => make("span", {class: "shares", role: "img", "aria-label": inWords(each), title: inWords(each)},
    ...counted(each).map(([kind, count]) => {
      const part = make("span", {class: kind});
      part.style.flexGrow = count;
      return part;
    })));
  return [make("span", {class: "name"}, scope.label), make("span", {class: "soft said"}, said),
          make("span", {class: "bars"}, ...bars)];
}

function operatorCells(operator) {
  const casts = castsText(operator.sides.map(castsOf));
  return [make("span", {class: "marks"}, ...marks(operator)),
          operator.changed ? make("span", {class: "differs", title: "differs"}, "\u2260") : null,
          make("span", {class: "name"}, operator.label),
          make("span", {class: "soft said"}, operator.own.type),
          casts ? make("span", {class: "castmark", title: "inputs that get a Cast"}, casts) : null,
          operator.heat && operator.heat.first ? make("span", {class: "castmark first"}, "first overflow") : null]
    .filter(Boolean);
}

function drawRows() {
  const height = rowHeight();
  const begin = Math.max(0, Math.floor(outline.scrollTop / height) - BEYOND);
  const end = Math.min(rows.length, Math.ceil((outline.scrollTop + outline.clientHeight) / height) + BEYOND);
  space.style.height = `${rows.length * height}px`;
  drawn.style.transform = `translateY(${begin * height}px)`;
  drawn.replaceChildren(...rows.slice(begin, end).map((item, at) => rowOf(item, begin + at)));
  const place = rows.indexOf(chosen);
  if (place >= begin && place < end) outline.setAttribute("aria-activedescendant", `row-${place}`);
  else outline.removeAttribute("aria-activedescendant");
}

function redraw() {
  rows = rowsOf();
  drawRows();
}

// Bring the chosen row into sight.
function reveal() {
  const place = rows.indexOf(chosen), height = rowHeight();
  if (place < 0) return;
  if (place * height < outline.scrollTop) outline.scrollTop = place * height;
  const below = (place + 1) * height - outline.clientHeight;
  if (below > outline.scrollTop) outline.scrollTop = below;
}

function toggle(scope, open) {
  scope.open = open;
  redraw();
}

function moved(key) {
  const place = rows.indexOf(chosen), page = Math.floor(outline.clientHeight / rowHeight());
  const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
  if (key in steps) return rows[Math.min(rows.length - 1, Math.max(0, place + steps[key]))];
  if (key === "ArrowLeft") {
    if (isScope(chosen) && chosen.open && chosen !== root) toggle(chosen, false);
    else return chosen.parent;
  }
  if (key === "ArrowRight" && isScope(chosen)) {
    if (chosen.open) return rows[place + 1];
    toggle(chosen, true);
  }
  if ((key === "Enter" || key === " ") && isScope(chosen)) toggle(chosen, !chosen.open);
  return null;
}
