"use strict";
// The page's behaviour. One state (query, unit, path); every change of it goes through `show`,
// which brings the list, the details and the canvas into line. Positions come from Python: y in
// pixels, x as a column; the canvas is drawn at scale 1, so that letters keep their size.
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
  const GHOST_LINE = 0.1;

  // ---- the canvas --------------------------------------------------------------------------
  // Lines run between ports, two points at a box's left and right, so that no line passes
  // behind the boxes above and below the one it leaves.
  const port = (node, side) => `${node}:${side}`;
  const nodes = new vis.DataSet();
  const edges = new vis.DataSet();
  const network = new vis.Network(canvas, { nodes, edges }, data.options);
  canvas.firstElementChild.tabIndex = -1; // the list is the keyboard's way in

  const pen = document.createElement("canvas").getContext("2d");
  function fitted(text, width, font) {
    pen.font = font;
    if (pen.measureText(text).width <= width) return text;
    const letters = [...text];
    while (letters.length && pen.measureText(letters.join("") + "…").width > width) letters.pop();
    return letters.join("").trimEnd() + "…";
  }

  function tooltip(node) {
    if (node === target) return undefined;
    const copy = articles[node].cloneNode(true);
    copy.hidden = false;
    return copy;
  }

  function edgeTooltip(edge) {
    const words = document.createElement("div");
    const end = edge.to === target ? data.target : data.units[edge.to].name;
    words.textContent = `${data.units[edge.from].name} → ${end}: ${edge.words}`;
    return words;
  }

  const edgeId = (from, to) => `${from}>${to}`;
  const pairs = (chain) => chain.slice(1).map((node, index) => edgeId(chain[index], node));

  function place() {
    if (matchMedia("print").matches) return; // on paper, CSS scales what stands on the screen
    const width = canvas.clientWidth;
    const room = innerHeight - canvas.getBoundingClientRect().top - scrollY - 20;
    const stretch = Math.min(Math.max(room / data.height, 1), 1.4);
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
          id, x: middle, y, label: fitted(label, box - 12, `${bold}12px ${FONT}`),
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
    const lit = state.path === null ? visible : [state.path];
    const litNodes = new Set([target, ...lit.flatMap((path) => data.paths[path])]);
    const litEdges = new Set(lit.flatMap((path) => pairs(data.paths[path])));
    const kept = new Set(visible.flatMap((path) => pairs(data.paths[path])));
    nodes.update(data.nodes.map(({ id }) => nodeStyle(id, litNodes.has(id), colour)));
    edges.update(data.edges.map((edge) => {
      const id = edgeId(edge.from, edge.to);
      const width = 0.8 + 4.2 * edge.share;
      const strength = state.path === null ? 0.3 + 0.55 * edge.share : 0.95;
      return {
        id,
        hidden: !kept.has(id) && !litEdges.has(id),
        width,
        dashes: edge.weight < 0 ? [5 + width, 3 + width] : false,
        color: {
          color: colour(edge.weight < 0 ? "minus" : "plus"),
          opacity: litEdges.has(id) ? strength : GHOST_LINE,
          inherit: false,
        },
      };
    }));
  }

  function nodeStyle(id, lit, colour) {
    const category = id === target ? "class" : data.units[id].category;
    const tint = category === null ? "surface" : category;
    const fill = lit ? colour(tint) || colour("other") : colour("surface");
    const chosen = id === state.unit;
    const line = chosen ? colour("ink") : colour(lit ? "box-line" : "ghost");
    const states = { background: fill, border: line };
    const ink = id === target ? "class-ink" : category === null ? "muted" : "ink";
    return {
      id,
      color: { ...states, highlight: states, hover: { background: fill, border: colour("ink") } },
      borderWidth: chosen ? 2 : 1, borderWidthSelected: chosen ? 2 : 1,
      font: {
        face: FONT, size: 12, color: colour(lit ? ink : "ghost-ink"), strokeWidth: 0,
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
    const kept = new Set(visible);
    buttons.forEach((button, index) => {
      button.parentElement.hidden = !kept.has(index);
      button.setAttribute("aria-pressed", String(index === state.path));
    });
    const described = state.path !== null ? data.paths[state.path] : [state.unit];
    articles.forEach((article, unit) => { article.hidden = !described.includes(unit); });
    if (state.path !== null) buttons[state.path].after(byId("details"));
    else byId("paths").before(byId("details"));
    byId("none").hidden = visible.length > 0 || buttons.length === 0;
    const all = byId("all");
    const quiet = state.unit === null && state.path === null && state.query === "";
    if (quiet && document.activeElement === all) filter.focus();
    all.hidden = quiet;
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
    const here = visible.indexOf(buttons.indexOf(document.activeElement));
    const last = visible.length - 1;
    const goal = { ArrowDown: Math.min(here + 1, last), ArrowUp: Math.max(here - 1, 0), Home: 0, End: last };
    if (here < 0 || !(event.key in goal)) return;
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
    article.querySelector(".only").addEventListener("click", () => show({ unit, path: null }));
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
  place();
  edges.add(data.edges.map((edge) => ({
    id: edgeId(edge.from, edge.to), from: port(edge.from, "out"), to: port(edge.to, "in"),
    title: edgeTooltip(edge),
  })));
  show({});
  // The column names' width is the canvas's; their height, unlike its own, never answers.
  new ResizeObserver(place).observe(canvas.previousElementSibling);
  addEventListener("resize", place);

  // What tests and curious readers may look at.
  window.conceptgraph = {
    network, nodes, edges,
    get selected() { return state.path; },
    get unit() { return state.unit; },
    get visible() { return visible; },
  };
})();
