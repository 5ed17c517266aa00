"use strict";
// The table of all units: sorted and filtered as data, and only as many rows drawn as are looked at.
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = JSON.parse(byId("rows").textContent);
  const body = byId("units").tBodies[0];
  const heads = [...byId("units").tHead.rows[0].cells];
  const search = byId("search");
  const only = byId("only");
  const more = byId("more");
  const STEP = 100;
  const SIGNIFICANT = 8;
  const words = rows.map((row) => `${row[0]} ${row[1] ?? ""} ${row[2] ?? ""} ${row[9]}`.toLowerCase());
  const state = { column: 3, down: true, shown: STEP };

  function value(row, column) {
    if (column !== 0) return row[column];
    const [block, index] = row[0].split("/");
    return Number(block.slice(5)) * 1e7 + Number(index);
  }

  function compare(a, b) {
    const [x, y] = [value(rows[a], state.column), value(rows[b], state.column)];
    if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1; // what is missing comes last
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return (state.down ? -order : order) || a - b;
  }

  function matching() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let i = 0; i < rows.length; i++) {
      if (only.checked && !rows[i][SIGNIFICANT]) continue;
      if (wanted.every((word) => words[i].includes(word))) found.push(i);
    }
    return found.sort(compare);
  }

  const number = (x) => (x === null ? "–" : x < 0.01 && x > 0 ? x.toPrecision(2) : x.toFixed(3));

  function line(row) {
    const element = document.createElement("tr");
    const cells = [row[0], row[1] ?? "–", row[2] ?? "–", ...row.slice(3, 8).map((x, i) => (i === 3 && x !== null ? x.toFixed(1) : number(x))), row[SIGNIFICANT] ? "yes" : "no", row[9]];
    cells.forEach((text, column) => {
      const cell = document.createElement(column ? "td" : "th");
      if (!column) cell.scope = "row";
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
    const found = matching();
    body.replaceChildren(...found.slice(0, state.shown).map((i) => line(rows[i])));
    byId("status").textContent = `${found.length} of ${rows.length} units, ${Math.min(state.shown, found.length)} shown`;
    more.hidden = found.length <= state.shown;
    heads.forEach((head, column) => {
      if (column === state.column) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  function again() {
    state.shown = STEP;
    show();
  }

  heads.forEach((head, column) =>
    head.firstElementChild.addEventListener("click", () => {
      state.down = column === state.column ? !state.down : column > 2 && column !== 7;
      state.column = column;
      again();
    }),
  );
  search.addEventListener("input", again);
  only.addEventListener("change", again);
  more.addEventListener("click", () => {
    state.shown += 5 * STEP;
    show();
  });
  show();
})();
