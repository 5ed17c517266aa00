"use strict";
// The behaviour of a page of paths. There is one state (query, unit, path). Every change of it goes
// through `show`, which updates the list, the details and the canvas. Positions come from Python: y
// in pixels, x as a column. The canvas is drawn at scale 1, so that text keeps its size.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const buttons = [...document.querySelectorAll("#paths li > button")];
  const articles = [...document.querySelectorAll("#details article")];
  const canvas = byId("canvas");
  const filter = byId("filter");
  const target = data.units.length; // the class's node; units are 0 … target − 1
  const state = { query: "", unit: null, path: null };
  const hint = byId("status").textContent;
  let visible = buttons.map((_, index) => index);

  const FONT = "system-ui, sans-serif";
  const FADED_EDGE = 0.1;

  // ---- the canvas --------------------------------------------------------------------------
  // Edges run between ports, two points at a box's left and right, so that no edge passes
  // behind the boxes above and below the one it leaves.
  const port = (node, side) => `${node}:${side}`;
  const nodes = new vis.DataSet();
  const edges = new vis.DataSet();
  const network = new vis.Network(canvas, { nodes, edges }, data.options);
  canvas.firstElementChild.tabIndex = -1; // with the keyboard, paths are chosen in the list

  const pen = document.createElement("canvas").getContext("2d");
  function shortened(text, width, font) {
    pen.font = font;
    if (pen.measureText(text).width <= width) return text;
    const characters = [...text];
    while (characters.length && pen.measureText(characters.join("") + "…").width > width) characters.pop();
    return characters.join("").trimEnd() + "…";
  }

  function tooltip(node) {
    if (node === target) return undefined;
    const copy = articles[node].cloneNode(true);
    copy.hidden = false;
    return copy;
  }

  function edgeTooltip(edge) {
    const element = document.createElement("div");
    const end = edge.to === target ? data.target : data.units[edge.to].name;
    element.textContent = `${data.units[edge.from].name} → ${end}: ${edge.text}`;
    return element;
  }

  const edgeId = (from, to) => `${from}>${to}`;
  const pairs = (chain) => chain.slice(1).map((node, index) => edgeId(chain[index], node));

  function arrange() {
    if (matchMedia("print").matches) return; // in print, CSS scales the canvas
    const width = canvas.clientWidth;
    const available = innerHeight - canvas.getBoundingClientRect().top - scrollY - 20;
    const stretch = Math.min(Math.max(available / data.height, 1), 1.4);
    const height = Math.round(data.height * stretch);
    const column = width / data.columns;
    const box = Math.min(200, column - Math.max(44, 0.3 * column));
    nodes.update(data.nodes.flatMap(({ id, label, x, y: row }) => {
      const y = row * stretch;
      const middle = (x + 0.5) * column;
      const bold = id === target ? "600 " : "";
      const side = (name, at) => ({
        id: port(id, name), x: at, y, shape: "dot", size: 0, borderWidth: 0, label: undefined,
      });
      return [
        {
          id, x: middle, y, label: shortened(label, box - 12, `${bold}12px ${FONT}`),
          widthConstraint: { minimum: box - 10 }, heightConstraint: { minimum: 14 },
        },
        side("in", middle - box / 2), side("out", middle + box / 2),
      ];
    }));
    canvas.style.height = `${height}px`;
    network.setSize(`${width}px`, `${height}px`);
    network.redraw();
    network.moveTo({ position: { x: width / 2, y: height / 2 }, scale: 1 });
  }

  function paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const highlighted = state.path === null ? visible : [state.path];
    const highlightedNodes = new Set([target, ...highlighted.flatMap((path) => data.paths[path])]);
    const highlightedEdges = new Set(highlighted.flatMap((path) => pairs(data.paths[path])));
    const visibleEdges = new Set(visible.flatMap((path) => pairs(data.paths[path])));
    nodes.update(data.nodes.map(({ id }) => nodeStyle(id, highlightedNodes.has(id), colour)));
    edges.update(data.edges.map((edge) => {
      const id = edgeId(edge.from, edge.to);
      const width = 0.8 + 4.2 * edge.relative;
      const strength = state.path === null ? 0.3 + 0.55 * edge.relative : 0.95;
      return {
        id,
        hidden: !visibleEdges.has(id) && !highlightedEdges.has(id),
        width,
        dashes: edge.weight < 0 ? [5 + width, 3 + width] : false,
        color: {
          color: colour(edge.weight < 0 ? "minus" : "plus"),
          opacity: highlightedEdges.has(id) ? strength : FADED_EDGE,
          inherit: false,
        },
      };
    }));
  }

  function nodeStyle(id, highlighted, colour) {
    const category = id === target ? "class" : data.units[id].category;
    const tint = category === null ? "surface" : category;
    const fill = highlighted ? colour(tint) || colour("other") : colour("surface");
    const chosen = id === state.unit;
    const border = chosen ? colour("ink") : colour(highlighted ? "box-line" : "faded");
    const states = { background: fill, border };
    const ink = id === target ? "class-ink" : category === null ? "muted" : "ink";
    return {
      id,
      color: { ...states, highlight: states, hover: { background: fill, border: colour("ink") } },
      borderWidth: chosen ? 2 : 1, borderWidthSelected: chosen ? 2 : 1,
      font: {
        face: FONT, size: 12, color: colour(highlighted ? ink : "faded-ink"), strokeWidth: 0,
        ...(id === target ? { bold: true } : {}),
      },
      shapeProperties: { borderRadius: 5, borderDashes: category === null ? [4, 3] : false },
    };
  }

  // ---- the list and the details ------------------------------------------------------------
  function matches(path) {
    const chain = data.paths[path];
    if (state.unit !== null && !chain.includes(state.unit)) return false;
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const units = chain.slice(0, -1).map((unit) => data.units[unit].search.toLowerCase());
    return words.every((word) => units.some((text) => text.includes(word)));
  }

  function statusText() {
    if (state.path !== null) {
      const button = buttons[state.path];
      const through = data.paths[state.path].slice(0, -1).map((unit) => data.units[unit].label);
      const value = button.querySelector(".number").textContent;
      return `${button.querySelector(".rank").textContent}: ${through.join(" → ")} → ${data.target}, ${value}`;
    }
    if (visible.length === buttons.length && state.unit === null) return hint;
    const unit = state.unit === null ? "" : ` through ${data.units[state.unit].block} ${data.units[state.unit].label}`;
    return `${visible.length} of ${buttons.length} paths${unit}`;
  }

  function show(change) {
    Object.assign(state, change);
    visible = buttons.map((_, index) => index).filter(matches);
    if (!visible.includes(state.path)) state.path = null;
    const shown = new Set(visible);
    buttons.forEach((button, index) => {
      button.parentElement.hidden = !shown.has(index);
      button.setAttribute("aria-pressed", String(index === state.path));
    });
    const described = state.path !== null ? data.paths[state.path] : [state.unit];
    articles.forEach((article, unit) => { article.hidden = !described.includes(unit); });
    if (state.path !== null) buttons[state.path].after(byId("details"));
    else byId("paths").before(byId("details"));
    byId("none").hidden = visible.length > 0 || buttons.length === 0;
    const all = byId("all");
    const initial = state.unit === null && state.path === null && state.query === "";
    if (initial && document.activeElement === all) filter.focus();
    all.hidden = initial;
    byId("status").textContent = statusText();
    paint();
  }

  function reset() {
    filter.value = "";
    show({ query: "", unit: null, path: null });
  }

  // ---- events ------------------------------------------------------------------------------
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => show({ path: state.path === index ? null : index }));
  });

  byId("paths").addEventListener("keydown", (event) => {
    const current = visible.indexOf(buttons.indexOf(document.activeElement));
    const last = visible.length - 1;
    const goal = { ArrowDown: Math.min(current + 1, last), ArrowUp: Math.max(current - 1, 0), Home: 0, End: last };
    if (current < 0 || !(event.key in goal)) return;
    event.preventDefault();
    buttons[visible[goal[event.key]]].focus();
    show({ path: visible[goal[event.key]] });
    document.activeElement.scrollIntoView({ block: "nearest" });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") reset();
  });
  filter.addEventListener("input", () => show({ query: filter.value }));
  filter.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && visible.length) {
      event.preventDefault();
      buttons[visible[0]].focus();
      show({ path: visible[0] });
    }
  });
  byId("all").addEventListener("click", reset);
  articles.forEach((article, unit) => {
    article.querySelector(".through").addEventListener("click", () => show({ unit, path: null }));
  });
  network.on("click", ({ nodes: [node] }) => {
    const unit = typeof node === "number" && node !== target && node !== state.unit ? node : null;
    show({ unit, path: null });
  });
  network.on("hoverNode", () => { canvas.style.cursor = "pointer"; });
  network.on("blurNode", () => { canvas.style.cursor = ""; });

  for (const query of ["print", "(prefers-color-scheme: dark)"]) {
    matchMedia(query).addEventListener("change", () => { paint(); network.redraw(); });
  }

  nodes.add(data.nodes.map((node) => ({ id: node.id, title: tooltip(node.id), label: "" })));
  arrange();
  edges.add(data.edges.map((edge) => ({
    id: edgeId(edge.from, edge.to), from: port(edge.from, "out"), to: port(edge.to, "in"),
    title: edgeTooltip(edge),
  })));
  show({});
  // The column names are as wide as the canvas; arranging does not change their size, unlike its own.
  new ResizeObserver(arrange).observe(canvas.previousElementSibling);
  addEventListener("resize", arrange);

  // For tests, and for the browser's console.
  window.conceptgraph = {
    network, nodes, edges,
    get selected() { return state.path; },
    get unit() { return state.unit; },
    get visible() { return visible; },
  };
})();
