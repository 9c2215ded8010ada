"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // The rows of one cell (of a confusion matrix, say), or all that are wrong; some at a time.
  const AT_ONCE = 25;
  const rows = all(".texts > li");
  const more = one("#more");
  let cell = null;
  let shown = AT_ONCE;
  function showRows() {
    const wanted = rows.filter((row) => (cell === null ? row.classList.contains("wrong") : row.dataset.cell.split(" ").includes(cell)));
    const visible = new Set(wanted.slice(0, shown));
    for (const row of rows) row.hidden = !visible.has(row);
    more.hidden = wanted.length <= shown;
    one("#none").hidden = wanted.length > 0;
    one("#all").hidden = cell === null;
    for (const button of all("button.cell")) button.setAttribute("aria-pressed", String(button.dataset.cell === cell));
    const what = one("#rows-what");
    const pressed = one('button.cell[aria-pressed="true"]');
    what.textContent = pressed ? `${pressed.dataset.what}. ${what.dataset.cell}` : what.dataset.all;
  }
  function choose(name) {
    cell = name;
    shown = AT_ONCE;
    showRows();
  }
  for (const button of all("button.cell")) {
    button.addEventListener("click", () => {
      choose(button.dataset.cell === cell ? null : button.dataset.cell);
      if (cell === null) return;
      one("#rows").scrollIntoView({ block: "start" });
      one("#rows-what").focus({ preventScroll: true });
    });
  }
  one("#all").addEventListener("click", () => choose(null));
  more.addEventListener("click", () => {
    shown += AT_ONCE;
    showRows();
  });
  showRows();

  // Precision, recall and cost at each threshold.
  if (!one("#counts")) return;
  one(".explorer").hidden = false;
  const counts = JSON.parse(one("#counts").textContent);
  const slider = one("#slider");
  const share = (part, whole) => (whole > 0 ? part / whole : 0);
  const cost = (name) => Math.max(0, Number(one(name).value) || 0);
  function at(index) {
    const tp = counts.true_positives[index];
    const fp = counts.false_positives[index];
    const fn = counts.positives - tp;
    const tn = counts.negatives - fp;
    return {
      precision: share(tp, tp + fp), recall: share(tp, counts.positives), f1: share(2 * tp, 2 * tp + fp + fn),
      accuracy: share(tp + tn, tp + fp + fn + tn), true_positives: tp, false_positives: fp, false_negatives: fn,
      true_negatives: tn, cost: fp * cost("#cost-fp") + fn * cost("#cost-fn"),
    };
  }
  function explore() {
    const index = Number(slider.value);
    const found = at(index);
    one("#at").textContent = counts.threshold[index].toFixed(2);
    for (const place of all("[data-explored]")) {
      const value = found[place.dataset.explored];
      const whole = /_/.test(place.dataset.explored);
      place.textContent = whole ? String(value) : place.dataset.explored === "cost" ? String(+value.toFixed(4)) : value.toFixed(4);
    }
    let best = 0;
    counts.threshold.forEach((_, i) => {
      const better = at(i).cost - at(best).cost;
      if (better < 0 || (better === 0 && Math.abs(i - 50) < Math.abs(best - 50))) best = i;
    });
    one("#cheapest").textContent = counts.threshold[best].toFixed(2);
    one("#cheapest").dataset.index = String(best);
    const x = 10 + 5.8 * index;
    one("#sweep-at").setAttribute("x1", x);
    one("#sweep-at").setAttribute("x2", x);
  }
  for (const name of ["precision", "recall"]) {
    const points = counts.threshold.map((_, i) => `${10 + 5.8 * i},${150 - 140 * at(i)[name]}`);
    one(`#sweep-${name}`).setAttribute("points", points.join(" "));
  }
  for (const input of [slider, one("#cost-fp"), one("#cost-fn")]) input.addEventListener("input", explore);
  one("#cheapest").addEventListener("click", (event) => {
    slider.value = event.currentTarget.dataset.index;
    explore();
  });
  explore();
})();
