// What a person does, and what follows.
const byId = (id) => document.getElementById(id);
const boxes = [...document.querySelectorAll("[name=kind]")];

function options(id, values) {
  byId(id).append(...values.map(([value, text]) => make("option", {value}, text)));
}

const every = (show) => [...new Set(operators.flatMap((operator) => show(operator)))].map((value) => [value, value]);
const there = (key) => every((operator) => operator.sides.filter(Boolean).map((side) => side[key]));
options("list", [["", "all"], ...there("list")]);
options("rule", [["", "all"], ...there("rule")]);
options("section", [["", "all"], ...every((operator) => [operator.section])]);
options("only", Object.entries(ONLY).filter(([key, [, fits]]) => !key || operators.some(fits)).map(([key, [text]]) => [key, text]));
const kindsThere = new Set(there("kind").map(([kind]) => kind));
for (const one of boxes) if (!kindsThere.has(one.value)) byId(`kind-${one.value}`).hidden = true;

function apply() {
  const count = filter({
    search: byId("search").value, list: byId("list").value, rule: byId("rule").value,
    section: byId("section").value, only: byId("only").value,
    kinds: new Set(boxes.filter((one) => one.checked).map((one) => one.value)),
  });
  heat = byId("heat") ? byId("heat").value : "";
  byId("count").textContent = `${count} of ${plural(operators.length, "operator")}`;
  redraw();
}

function choose(item, keep) {
  if (!item) return;
  chosen = item;
  for (let scope = item.parent; scope; scope = scope.parent) scope.open = true;
  redraw();
  reveal();
  drawRows();
  showPanel();
  if (keep) history.replaceState(null, "", addressOf(item));
}

outline.addEventListener("scroll", drawRows);
addEventListener("resize", () => { redraw(); reveal(); });
outline.addEventListener("click", (event) => {
  const row = event.target.closest("[data-row]");
  if (!row) return;
  const item = rows[Number(row.dataset.row)];
  const opener = event.target.closest(".opener");
  if (isScope(item) && (opener || item === chosen)) toggle(item, !item.open);
  if (opener) return;
  location.hash = addressOf(item);
  // On a phone the panel is below, out of sight.
  if (!isScope(item) && narrow()) requestAnimationFrame(() => panel.scrollIntoView());
});
outline.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "PageDown", "PageUp", "Home", "End", "Enter", " "];
  if (!keys.includes(event.key)) return;
  event.preventDefault();
  choose(moved(event.key), true);
});
addEventListener("hashchange", () => choose(itemAt(location.hash) || root));
addEventListener("keydown", (event) => {
  if (event.key !== "/" || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
  event.preventDefault();
  byId("search").focus();
});
for (const what of ["input", "change"]) byId("tools").addEventListener(what, () => { apply(); showPanel(); });
byId("tools").addEventListener("submit", (event) => {
  event.preventDefault();
  choose(operators.find((operator) => operator.shown), true);
  outline.focus();
});

apply();
openSome();
choose(itemAt(location.hash) || root);
