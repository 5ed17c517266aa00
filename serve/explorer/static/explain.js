"use strict";
// Explain: a photograph is dropped, an answer awaited, and what if it were another one.
(() => {
  const byId = (id) => document.getElementById(id);
  const query = () => new URLSearchParams(location.search);

  async function send(path, body, type = "application/json") {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": type }, body });
    const said = await answer.json().catch(() => ({ error: `The server said ${answer.status}.` }));
    if (said.error) throw new Error(said.error);
    return said;
  }
  const act = (name, more = {}) => send(`/explain/${name}`, JSON.stringify({ link: location.search, ...more }));

  // ---- choosing a photograph ---------------------------------------------------------------------
  const file = byId("file");
  if (file) {
    const said = byId("said");
    async function upload(chosen) {
      if (!chosen) return;
      const largest = Number(file.dataset.largest);
      if (chosen.size > largest) {
        said.textContent = `${chosen.name} is too large; a file has ${largest >> 20} MB at most.`;
        return;
      }
      said.textContent = `Reading ${chosen.name} …`;
      const run = query().get("run");
      try {
        const answer = await send(`/explain/photograph${run ? `?run=${encodeURIComponent(run)}` : ""}`, chosen, /^(image|video)\//.test(chosen.type) ? chosen.type : "image/unknown");
        location.assign(answer.url);
      } catch (error) { said.textContent = error.message; }
    }
    file.addEventListener("change", () => upload(file.files[0]));
    const dragging = (event, on) => { event.preventDefault(); document.body.classList.toggle("dragging", on); };
    document.addEventListener("dragover", (event) => dragging(event, true));
    document.addEventListener("dragleave", (event) => dragging(event, false));
    document.addEventListener("drop", (event) => { dragging(event, false); upload(event.dataTransfer.files[0]); });
    document.addEventListener("paste", (event) => upload(event.clipboardData.files[0]));
  }

  // ---- waiting for an answer ---------------------------------------------------------------------
  const waiting = byId("waiting");
  if (waiting) {
    let over = false;
    byId("cancel").addEventListener("click", async () => { over = true; location.assign((await act("cancel")).url); });
    function show(news) {
      byId("said").textContent = news.before ? `${news.stage}: ${news.before} before it` : news.stage;
      byId("predicted").replaceChildren(...news.predicted.map(([name, probability]) => {
        const row = document.createElement("li");
        const [text, meter, number] = ["bdi", "meter", "span"].map((tag) => document.createElement(tag));
        text.textContent = name;
        meter.value = probability;
        meter.ariaLabel = name;
        number.textContent = `${Math.round(100 * probability)} %`;
        row.append(text, meter, number);
        return row;
      }));
    }
    (async () => {
      while (!over) {
        const answer = await fetch(`/explain/state${location.search}`).catch(() => null);
        if (answer === null) { // the server has ended
          byId("said").textContent = "The server does not answer.";
          await new Promise((resolve) => setTimeout(resolve, 2000));
          continue;
        }
        const news = await answer.json();
        if (news.error || news.ended) { if (!over) location.replace(location.href); return; }
        show(news);
        // no request stays open: a browser has six for all tabs of a server
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    })();
  }

  // ---- what if -----------------------------------------------------------------------------------
  const panel = byId("what-if");
  if (panel) {
    const said = byId("what-if-said");
    const tell = (error) => { said.textContent = error.message; };
    for (const button of panel.querySelectorAll("[data-paint]")) {
      button.addEventListener("click", async () => {
        said.textContent = "Painting …";
        try { location.assign((await act("paint", { mark: button.dataset.paint })).url); } catch (error) { tell(error); }
      });
    }
    byId("keep").addEventListener("click", async () => { try { said.textContent = (await act("keep")).said; } catch (error) { tell(error); } });
    const form = panel.querySelector("form");
    form.addEventListener("submit", () => { // empty fields stay out of the link
      for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
    });
    window.addEventListener("pageshow", () => { for (const field of form.elements) field.disabled = false; });

    // A region, dragged on the photograph.
    const picture = document.querySelector(".picture");
    const [width, height] = [Number(panel.dataset.width), Number(panel.dataset.height)];
    const [edgeLeft, edgeTop, edgeRight, edgeBottom] = panel.dataset.shown.split(",").map(Number);
    const region = form.elements.region;
    let from = null;
    let box = null;
    const place = (event) => {
      const frame = picture.getBoundingClientRect();
      const share = (value, size) => Math.min(Math.max(value / size, 0), 1);
      return [share(event.clientX - frame.left, frame.width), share(event.clientY - frame.top, frame.height)];
    };
    const sides = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
    picture.addEventListener("pointerdown", (event) => { if (event.button === 0 && !event.target.closest(".mark")) from = place(event); });
    picture.addEventListener("dragstart", (event) => event.preventDefault());
    document.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [left, top, right, bottom] = sides(from, place(event));
      if (!box) {
        if (Math.max(right - left, bottom - top) < 0.02) return;
        box = document.createElement("div");
        box.className = "marked-out";
        picture.append(box);
        getSelection().removeAllRanges();
      }
      Object.assign(box.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
      const [x, y] = [width * (edgeRight - edgeLeft), height * (edgeBottom - edgeTop)];
      region.value = [width * edgeLeft + left * x, height * edgeTop + top * y, (right - left) * x, (bottom - top) * y].map(Math.floor).join(",");
    });
    document.addEventListener("pointerup", () => {
      if (box) form.requestSubmit();
      from = null;
    });
  }
})();
