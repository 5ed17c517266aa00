"use strict";
// The concept graph. Columns and edges come from Python; positions are computed here: boxes in rows of
// equal height, edges stacked at the sides of their boxes, as wide as what they carry.
// Hovering, focusing or choosing a box tells the page its place on the photograph ("place" events).
(() => {
  const data = JSON.parse(document.getElementById("flow-data").textContent);
  const section = document.getElementById("flows");
  const [head, graph, panel] = [".flow-head", ".flow-graph", ".flow-box"].map((name) => section.querySelector(name));
  const hint = panel.firstElementChild;
  const units = new Map(data.units.map((unit) => [unit.uid, unit]));
  const ROW = 48;
  const BOX = 40;
  const WIDEST = 32; // pixels of all edges at one side of a box
  const state = { categories: [0, 0], chosen: null };

  const digits = Math.max(0, 2 - Math.floor(Math.log10(data.largest || 1)));
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
  const percent = (share) => `${Math.round(100 * share)} %`;

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function drawing(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  const columns = () => [data.columns[0][state.categories[0]], data.columns[1][state.categories[1]], [data.target]];
  const edges = () => data.edges[state.categories[0]][state.categories[1]].map(([column, from, to, value]) => ({ column, from, to, value, biases: columns()[column][from].kind === "biases" }));
  function show(box) {
    const text = box && `${box.name}: ${percent(box.coverage ?? 0)} ${data.of}, ${signed(box.evidence)}`;
    document.dispatchEvent(new CustomEvent("place", { detail: { place: box?.place ?? null, text } }));
  }

  // ---- the picture ---------------------------------------------------------------------------
  function draw() {
    const boxes = columns();
    const lines = edges();
    const sums = new Map(); // of |evidence| at each side of each box
    const side = (column, row, out) => `${column},${row},${out}`;
    const add = (key, value) => sums.set(key, (sums.get(key) ?? 0) + value);
    for (const { column, from, to, value, biases } of lines) {
      if (biases) continue;
      add(side(column, from, true), Math.abs(value));
      add(side(column + 1, to, false), Math.abs(value));
    }
    const fullest = Math.max(...[...sums].filter(([key]) => !key.startsWith("2,")).map(([, sum]) => sum), 1e-9);
    const scale = WIDEST / fullest;
    const height = ROW * Math.max(...boxes.map((column) => column.length));
    const classHeight = Math.min(height, Math.max(BOX, scale * (sums.get("2,0,false") ?? 0) + 8));
    const middle = (column, row) => (column === 2 ? height / 2 : (row + 0.5) * ROW + (height - ROW * boxes[column].length) / 2);
    const offset = new Map();
    // Where an edge meets a box: edges are stacked in the order of the boxes at their other ends.
    function meet(column, row, out, width) {
      const key = side(column, row, out);
      const start = offset.get(key) ?? -((sums.get(key) ?? 0) * scale) / 2;
      offset.set(key, start + width);
      return middle(column, row) + start + width / 2;
    }
    const ends = lines.map(() => [0, 0]);
    const order = [...lines.keys()];
    const width = (line) => Math.abs(line.value) * scale;
    for (const [end, out] of [[0, true], [1, false]]) {
      order.sort((a, b) => (out ? lines[a].to - lines[b].to : lines[a].from - lines[b].from));
      for (const i of order) {
        const line = lines[i];
        const [column, row] = out ? [line.column, line.from] : [line.column + 1, line.to];
        ends[i][end] = line.biases ? middle(column, row) : meet(column, row, out, width(line));
      }
    }
    const gaps = [0, 1].map(() => drawing("svg", { viewBox: `0 0 100 ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }));
    for (const gap of gaps) gap.style.height = `${height}px`;
    lines.forEach((line, i) => {
      const [start, end] = ends[i].map((y) => y.toFixed(1));
      const path = drawing("path", {
        d: `M0 ${start}C50 ${start} 50 ${end} 100 ${end}`,
        class: `${line.value < 0 ? "minus" : "plus"}${line.biases ? " biases" : ""}`,
        "data-ends": `${line.column},${line.from} ${line.column + 1},${line.to}`,
      });
      if (!line.biases) path.style.strokeWidth = `${Math.max(1, width(line))}px`;
      if (!line.biases && line.value < 0) path.style.strokeDasharray = "7 3";
      const title = drawing("title", {});
      title.textContent = `${boxes[line.column][line.from].name} → ${boxes[line.column + 1][line.to].name}: ${signed(line.value)}`;
      path.append(title);
      gaps[line.column].append(path);
    });
    const made = boxes.map((column, number) => {
      const place = element("div", { className: "flow-column" });
      place.style.height = `${height}px`;
      column.forEach((box, row) => {
        const tall = number === 2 ? classHeight : BOX;
        const button = element(number < 2 ? "button" : "div", {
          className: `${box.kind} ${box.evidence < 0 ? "minus" : "plus"}`, title: box.name,
        }, element("bdi", { textContent: box.name }), element("span", { textContent: signed(box.evidence) }));
        button.dataset.box = `${number},${row}`;
        if (number < 2) {
          button.type = "button";
          button.setAttribute("aria-pressed", "false");
        }
        button.style.top = `${middle(number, row) - tall / 2}px`;
        button.style.height = `${tall}px`;
        place.append(button);
      });
      return place;
    });
    graph.replaceChildren(made[0], gaps[0], made[1], gaps[1], made[2]);
  }

  // ---- what is chosen ------------------------------------------------------------------------
  // A box lights the edges at both its sides, and their boxes; `key` is "column,row" or null.
  function light(key) {
    graph.classList.toggle("chosen", key !== null);
    const lit = new Set([key]);
    for (const path of graph.querySelectorAll("path")) {
      const ends = path.dataset.ends.split(" ");
      const on = ends.includes(key);
      path.classList.toggle("lit", on);
      if (on) ends.forEach((end) => lit.add(end));
    }
    for (const button of graph.querySelectorAll("[data-box]")) button.classList.toggle("lit", lit.has(button.dataset.box));
  }

  const boxOf = (key) => {
    const [column, row] = key.split(",").map(Number);
    return columns()[column][row];
  };

  function bar(value, largest) {
    const strip = element("span", { className: "strip" }, element("i", { className: value < 0 ? "minus" : "plus" }));
    strip.setAttribute("aria-hidden", "true");
    strip.firstChild.style.width = `${(100 * Math.abs(value)) / largest}%`;
    return strip;
  }

  function routes(title, rows) {
    if (!rows.length) return [];
    rows.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    const largest = Math.abs(rows[0][1]);
    const list = element("ul", { className: "routes" });
    for (const [name, value] of rows.slice(0, 6)) {
      list.append(element("li", {}, element("bdi", { textContent: name }), bar(value, largest), element("span", { textContent: signed(value) })));
    }
    return [element("p", { className: "muted", textContent: title }), list];
  }

  function pictured([still, moving], alt) { // as picture.html does
    const image = element("img", { src: still, alt });
    return moving ? element("picture", {}, element("source", { srcset: moving, media: "(prefers-reduced-motion: no-preference)", type: "image/webp" }), image) : image;
  }

  function carriers(box) {
    if (!box.units.length) return [];
    const list = element("ul", { className: "carriers" });
    for (const [uid, value] of box.units) {
      const unit = units.get(uid);
      const item = element("li", {}, element("b", { textContent: signed(value) }), " ", element("bdi", { textContent: uid }), " ");
      const chip = element("span", { className: unit.concept ? "chip" : "chip none", textContent: unit.concept ? unit.concept[0] : "no name" });
      if (unit.concept) chip.dataset.category = unit.concept[1];
      item.append(chip);
      if (unit.picture) item.append(pictured(unit.picture, `Images with the largest activations of ${uid}`));
      list.append(item);
    }
    const rest = element("p", { className: "muted", textContent: `all other units: ${signed(box.others)}` });
    return [element("p", { className: "muted", textContent: "The units that carry most of it, with the images where they are most active:" }), list, rest];
  }

  function choose(key) {
    state.chosen = key === state.chosen ? null : key;
    for (const button of graph.querySelectorAll("button[aria-pressed]")) button.setAttribute("aria-pressed", String(button.dataset.box === state.chosen));
    light(state.chosen);
    show(state.chosen === null ? null : boxOf(state.chosen));
    if (state.chosen === null) return panel.replaceChildren(hint);
    const box = boxOf(state.chosen);
    const [column] = state.chosen.split(",").map(Number);
    const where = box.coverage === null ? "" : `, ${percent(box.coverage)} ${data.of}`;
    const at = edges().map((line) => ({ ...line, ends: [`${line.column},${line.from}`, `${line.column + 1},${line.to}`] }));
    const into = at.filter((line) => line.ends[1] === state.chosen).map((line) => [boxOf(line.ends[0]).name, line.value]);
    const out = column === 0 ? at.filter((line) => line.ends[0] === state.chosen).map((line) => [boxOf(line.ends[1]).name, line.value]) : [];
    const name = element("bdi", { textContent: box.name });
    // Where concepts have pages of their own, `data.link` is the address of one, but its uid.
    const uid = `${data.categories[column]?.[state.categories[column]]}/${box.name}`;
    const linked = data.link && box.kind === "concept" ? element("a", { href: data.link + encodeURIComponent(uid) }, name) : name;
    panel.replaceChildren(
      element("h3", {}, linked, ` in ${data.blocks[column]}: ${signed(box.evidence)}${where}`),
      ...routes(`by way of ${data.blocks[1]}:`, out), ...routes(`from ${data.blocks[0]}:`, into), ...carriers(box),
    );
  }

  const buttonAt = (event) => event.target.closest?.("button[aria-pressed]");
  function point(event) {
    const button = buttonAt(event);
    if (!button) return;
    light(button.dataset.box);
    show(boxOf(button.dataset.box));
  }
  function leave(event) {
    if (!buttonAt(event)) return;
    light(state.chosen);
    show(state.chosen === null ? null : boxOf(state.chosen));
  }
  graph.addEventListener("pointerover", point);
  graph.addEventListener("focusin", point);
  graph.addEventListener("pointerout", leave);
  graph.addEventListener("focusout", leave);
  graph.addEventListener("click", (event) => {
    const button = buttonAt(event);
    if (button) choose(button.dataset.box);
  });
  // Arrow keys move between boxes: up and down in a column, left and right between columns.
  graph.addEventListener("keydown", (event) => {
    const button = buttonAt(event);
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!button || !step) return;
    event.preventDefault();
    const [column, row] = button.dataset.box.split(",").map(Number);
    const last = (columns()[column + step[0]] ?? []).length - 1;
    graph.querySelector(`button[aria-pressed][data-box="${column + step[0]},${Math.min(row + step[1], last)}"]`)?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.chosen !== null) choose(state.chosen);
  });

  for (const select of head.querySelectorAll("select")) {
    const column = Number(select.dataset.column);
    data.categories[column].forEach((name, number) => select.append(element("option", { textContent: name, value: number })));
    select.disabled = data.categories[column].length < 2;
    select.addEventListener("change", () => {
      if (state.chosen !== null) choose(state.chosen);
      state.categories[column] = Number(select.value);
      draw();
    });
  }
  head.hidden = false;
  draw();
})();
