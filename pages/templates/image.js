"use strict";
// The photograph: its outlined things, and whatever else on the page has a place on it. There is one
// state: the thing that is chosen, what is pointed at, and the view. `show` draws it.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("image-data").textContent);
  const picture = document.querySelector(".picture");
  const photograph = byId("photograph");
  const original = photograph.src;
  const buttons = [...document.querySelectorAll("button.thing")];
  const rows = [...document.querySelectorAll("tr[data-place]")];
  const [left, top, right, bottom] = data.seen;
  const [width, height] = data.size;
  const state = { chosen: null, pointed: null, place: null, text: "", view: "" };

  // Grid positions, in pixels of the photograph: a rectangle for each run in a row, and their borders.
  function cells(place) {
    const [gridRows, gridColumns, bits] = data.places[place];
    const step = [((right - left) * width) / gridColumns, ((bottom - top) * height) / gridRows];
    const on = (i) => ((parseInt(bits[i >> 2], 16) >> (3 - (i & 3))) & 1) === 1;
    const point = (column, row) => [left * width + column * step[0], top * height + row * step[1]].map((value) => value.toFixed(1));
    const inside = (row, column) => row >= 0 && column >= 0 && row < gridRows && column < gridColumns && on(row * gridColumns + column);
    let path = "";
    let border = "";
    for (let row = 0; row <= gridRows; row++) {
      for (let column = 0; column <= gridColumns; column++) {
        if (inside(row, column) !== inside(row - 1, column)) border += `M${point(column, row)}h${step[0].toFixed(1)}`;
        if (inside(row, column) !== inside(row, column - 1)) border += `M${point(column, row)}v${step[1].toFixed(1)}`;
      }
    }
    for (let row = 0; row < gridRows; row++) {
      for (let column = 0; column < gridColumns; column++) {
        if (!on(row * gridColumns + column)) continue;
        let end = column;
        while (end < gridColumns && on(row * gridColumns + end)) end++;
        path += `M${point(column, row)}h${((end - column) * step[0]).toFixed(1)}v${step[1].toFixed(1)}H${point(column, row)[0]}Z`;
        column = end;
      }
    }
    return { path, border };
  }

  function show(change) {
    Object.assign(state, change);
    // What the verdict speaks of is lit as long as nothing else is.
    const idle = state.chosen === null && state.pointed === null && state.place === null && state.view === "";
    const place = idle ? data.leading : state.place;
    const chosen = buttons.find((button) => button.dataset.mark === state.chosen);
    const lit = state.pointed ?? state.chosen;
    const marks = lit === "change" ? data.change : [lit];
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button === chosen));
      button.classList.toggle("lit", button.dataset.mark === lit);
    }
    for (const mark of picture.querySelectorAll("[data-mark]")) mark.classList.toggle("lit", marks.includes(mark.dataset.mark));
    for (const row of rows) row.classList.toggle("lit", Number(row.dataset.place) === place);
    picture.classList.toggle("lit", lit !== null);
    picture.classList.toggle("plain", place !== null || state.view !== "");
    picture.classList.toggle("idle", idle);
    const lightened = place === null ? null : cells(place);
    byId("dim").setAttribute("d", lightened ? `M0 0H${width}V${height}H0Z${lightened.path}` : "");
    byId("border").setAttribute("d", lightened ? lightened.border : "");
    const painted = state.place === null && state.view === "" ? chosen?.querySelector("img")?.src : null;
    photograph.src = state.view !== "" ? data.maps[Number(state.view)] : (painted ?? original);
    const without = painted && chosen.querySelector(".without > span").textContent.trim();
    const home = idle && place !== null && rows.find((row) => Number(row.dataset.place) === place);
    byId("said").textContent = home ? textOf(home) : state.place !== null ? state.text : (without || (state.view === "" ? data.hint : data.legend));
  }

  const choose = (mark) => show({ chosen: mark === state.chosen ? null : mark, pointed: null, place: null });

  buttons.forEach((button) => {
    button.addEventListener("click", () => choose(button.dataset.mark));
    for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => show({ pointed: button.dataset.mark, place: null }));
    for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => show({ pointed: null }));
  });
  for (const mark of picture.querySelectorAll("[data-mark]")) {
    mark.addEventListener("click", () => choose(mark.dataset.mark));
    mark.addEventListener("pointerenter", () => show({ pointed: mark.dataset.mark }));
    mark.addEventListener("pointerleave", () => show({ pointed: null }));
  }
  const textOf = (row) => row.dataset.text ?? `${row.cells[0].innerText}: ${row.cells[1].innerText.trim()} of the picture, ${row.cells[2].innerText.trim()}`;
  for (const row of rows) {
    for (const name of ["pointerenter", "focus", "click"]) row.addEventListener(name, () => show({ place: Number(row.dataset.place), text: textOf(row) }));
    for (const name of ["pointerleave", "blur"]) row.addEventListener(name, () => show({ place: null }));
  }
  document.addEventListener("place", (event) => show(event.detail));
  for (const view of document.querySelectorAll("input[name=view]")) view.addEventListener("change", () => show({ view: view.value, place: null }));

  // ---- keys: digits choose a thing, arrows move in a list, Escape shows the photograph ----------
  function step(list, element, key) {
    const visible = list.filter((other) => other.offsetParent !== null);
    const goal = visible[visible.indexOf(element) + { ArrowDown: 1, ArrowUp: -1 }[key]];
    if (goal) goal.focus();
    return goal !== undefined;
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=radio]), select, textarea")) return;
    const list = [buttons, rows].find((elements) => elements.includes(event.target));
    if (list && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      if (step(list, event.target, event.key)) event.preventDefault();
    } else if (event.key === "Escape") show({ chosen: null, pointed: null, place: null });
    else if (/^[1-9r]$/i.test(event.key)) {
      const button = buttons.find((other) => other.dataset.mark === event.key.toUpperCase());
      if (!button) return;
      button.closest("details")?.setAttribute("open", "");
      choose(button.dataset.mark);
      button.focus({ preventScroll: true });
      button.scrollIntoView({ block: "nearest" });
    }
  });

  // ---- the regions of another block or category --------------------------------------------------
  const tables = [...document.querySelectorAll("table.regions")];
  const selects = [...document.querySelectorAll(".choose select")];
  const values = (name) => [...new Set(tables.map((table) => table.dataset[name]))];
  for (const select of selects) {
    const name = select.dataset.of;
    const all = values(name);
    if (name === "block") all.sort();
    for (const value of all) select.append(new Option(value, value, false, value === tables[0].dataset[name]));
    select.addEventListener("change", () => {
      for (const table of tables) table.hidden = selects.some((other) => table.dataset[other.dataset.of] !== other.value);
    });
  }
  // ---- the frames of a clip ----------------------------------------------------------------------
  const root = document.documentElement;
  const slider = byId("frame");
  function showFrame(frame) {
    slider.value = frame;
    root.style.setProperty("--frame", slider.value);
    slider.nextElementSibling.textContent = `${Number(slider.value) + 1} of ${data.frames}`;
  }
  if (slider) {
    root.classList.add("clip");
    root.style.setProperty("--frames", data.frames);
    root.style.setProperty("--shape", (data.frames * width) / height);
    slider.addEventListener("input", () => showFrame(slider.value));
    let timer = null;
    byId("play").addEventListener("click", (event) => {
      if (timer === null) timer = setInterval(() => showFrame((Number(slider.value) + 1) % data.frames), 180);
      else timer = clearInterval(timer) ?? null;
      event.target.textContent = timer === null ? "Play" : "Stop";
    });
    for (const button of buttons) {
      const mark = picture.querySelector(`.mark[data-mark="${button.dataset.mark}"]`);
      if (mark) button.addEventListener("click", () => showFrame(Math.floor((parseFloat(mark.style.getPropertyValue("--top")) / 100) * data.frames)));
    }
    showFrame(slider.value);
  }
  for (const control of document.querySelectorAll(".choose, .views, .frames")) control.hidden = false;
  show({});

  // For tests, and for the browser's console.
  window.imagePage = { state, show };
})();
