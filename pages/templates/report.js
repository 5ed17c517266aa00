"use strict";
// The table of all units: sorted and filtered as data, drawn a hundred rows at first, twenty on a telephone.
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = JSON.parse(byId("rows").textContent);
  const body = byId("units").tBodies[0];
  const headers = [...byId("units").tHead.rows[0].cells];
  const search = byId("search");
  const significant = byId("significant");
  const more = byId("more");
  const STEP = matchMedia("(max-width: 599px)").matches ? 20 : 100;
  const SIGNIFICANT = 8;
  const texts = rows.map((row) => `${row[0]} ${row[1] ?? ""} ${row[2] ?? ""} ${row[9]}`.toLowerCase());
  const state = { column: 3, down: true, shown: STEP };

  function value(row, column) {
    if (column !== 0) return row[column];
    const [block, index] = row[0].split("/");
    return Number(block.slice(5)) * 1e7 + Number(index);
  }

  function compare(a, b) {
    const [x, y] = [value(rows[a], state.column), value(rows[b], state.column)];
    if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1; // missing values come last
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return (state.down ? -order : order) || a - b;
  }

  function matching() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = [];
    for (let i = 0; i < rows.length; i++) {
      if (significant.checked && !rows[i][SIGNIFICANT]) continue;
      if (wanted.every((word) => texts[i].includes(word))) matches.push(i);
    }
    return matches.sort(compare);
  }

  const number = (x) => (x === null ? "–" : x < 0.01 && x > 0 ? x.toPrecision(2) : x.toFixed(3));

  function rowElement(row) {
    const element = document.createElement("tr");
    const cells = [row[0], row[1] ?? "–", row[2] ?? "–", ...row.slice(3, 8).map((x, i) => (i === 3 && x !== null ? x.toFixed(1) : number(x))), row[SIGNIFICANT] ? "yes" : "no", row[9]];
    cells.forEach((text, column) => {
      const cell = document.createElement(column ? "td" : "th");
      if (!column) cell.scope = "row";
      else cell.dataset.name = headers[column].innerText;
      if (column > 2 && column < 8) cell.className = "number";
      if (column === 1 && row[1] !== null) {
        const chip = document.createElement("span");
        chip.className = "chip";
        chip.dataset.category = row[2];
        chip.textContent = text;
        cell.append(chip);
      } else cell.textContent = text;
      element.append(cell);
    });
    return element;
  }

  function show() {
    const matches = matching();
    body.replaceChildren(...matches.slice(0, state.shown).map((i) => rowElement(rows[i])));
    byId("status").textContent = `${matches.length} of ${rows.length} units, ${Math.min(state.shown, matches.length)} shown`;
    more.hidden = matches.length <= state.shown;
    headers.forEach((header, column) => {
      if (column === state.column) header.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    });
  }

  function restart() {
    state.shown = STEP;
    show();
  }

  headers.forEach((header, column) =>
    header.firstElementChild.addEventListener("click", () => {
      state.down = column === state.column ? !state.down : column > 2 && column !== 7;
      state.column = column;
      restart();
    }),
  );
  search.addEventListener("input", restart);
  significant.addEventListener("change", restart);
  more.addEventListener("click", () => {
    state.shown += 5 * STEP;
    show();
  });
  show();
})();
