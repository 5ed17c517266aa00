"use strict";
// Search as you type: "/" focuses the box, arrows choose, Enter opens. What the server says is shown as
// text only, never as HTML. Without this script the form leads to a page of results.
(() => {
  const input = document.getElementById("search");
  const list = document.getElementById("results");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    if (event.key === "/" && input) {
      event.preventDefault();
      input.focus();
      input.select();
    }
    const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
    if (link && !event.target.closest?.("button, .concept-graph")) link.click();
  });

  // Parts of a page that take longer are put into it when they are there; the server escapes them.
  for (const place of document.querySelectorAll("[data-load]")) {
    fetch(place.dataset.load)
      .then((reply) => reply.text())
      .then((html) => (place.innerHTML = html))
      .catch(() => (place.textContent = "The server does not answer."));
  }

  // Forms that change something are sent as JSON, which no other site's page can do.
  for (const form of document.querySelectorAll("[data-post]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = form.querySelector("[role=status]");
      said.textContent = "…";
      const reply = await fetch(form.dataset.post, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(Object.fromEntries(new FormData(form))),
      }).then((answer) => answer.json(), () => ({ error: "The server does not answer." }));
      said.textContent = reply.error ?? reply.said;
      if (reply.url) location.href = reply.url;
    });
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      button.nextElementSibling.textContent = "Copied.";
    });
  }
  if (!input) return;

  const run = input.form.elements.run.value;
  let chosen = -1;
  let latest = 0;
  let timer = 0;

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  const options = () => [...list.querySelectorAll("[role=option]")];

  function choose(place) {
    const all = options();
    chosen = all.length ? (place + all.length) % all.length : -1;
    all.forEach((option, number) => option.setAttribute("aria-selected", String(number === chosen)));
    if (chosen < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", all[chosen].id);
      all[chosen].scrollIntoView({ block: "nearest" });
    }
  }

  function close() {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function option(row, number) {
    const picture = row.picture
      ? element("picture", {}, element("source", { srcset: `${row.picture}&still=1`, media: "(prefers-reduced-motion: reduce)" }), element("img", { src: row.picture, alt: "" }))
      : element("span", { className: "blank" });
    const what = element("span", { className: "what" }, element("bdi", { textContent: row.name }));
    if (row.detail) what.append(" ", element("span", { className: "muted", textContent: row.detail }));
    const made = element("div", { id: `result-${number}` }, picture, what);
    if (row.category) {
      const chip = element("span", { className: "chip", textContent: row.category });
      chip.dataset.category = row.category;
      made.append(chip);
    }
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", "false");
    made.dataset.url = row.url;
    return made;
  }

  function show(kinds) {
    const before = options()[chosen]?.dataset.url; // what is chosen stays so while names are added
    const children = [];
    let number = 0;
    for (const { kind, total, guess, rows } of kinds) {
      const name = guess ? `${kind} with a name like this` : total > rows.length ? `${kind}, ${rows.length} of ${total}` : kind;
      const group = element("div", {}, element("div", { className: "kind", textContent: name, ariaHidden: "true" }), ...rows.map((row) => option(row, number++)));
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", name);
      children.push(group);
    }
    if (!children.length) children.push(element("div", { className: "nothing", textContent: "Nothing has this name.", role: "option" }));
    list.replaceChildren(...children);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    chosen = before ? options().findIndex((each) => each.dataset.url === before) : -1;
    if (chosen >= 0) choose(chosen);
    else input.removeAttribute("aria-activedescendant");
  }

  // Names are proposed in fields that ask for one.
  for (const field of document.querySelectorAll("[data-complete]")) {
    const names = element("datalist", { id: `names-${field.name}` });
    field.after(names);
    field.setAttribute("list", names.id);
    const kinds = field.dataset.complete.split(" ");
    field.addEventListener("input", async () => {
      const answer = await fetch(`/search.json?${new URLSearchParams({ run, q: field.value })}`);
      if (!answer.ok) return;
      const rows = (await answer.json()).filter(({ key }) => kinds.includes(key)).flatMap(({ rows }) => rows);
      names.replaceChildren(...rows.map((row) => element("option", { value: row.uid, label: row.name })));
    });
  }

  async function search() {
    const text = input.value.trim();
    const mine = ++latest;
    if (!text) return close();
    const answer = await fetch(`/search.json?${new URLSearchParams({ run, q: text })}`);
    if (mine === latest && answer.ok && document.activeElement === input) show(await answer.json());
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 60);
  });
  input.addEventListener("focus", () => input.value.trim() && search());
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      if (list.hidden) input.blur();
      close();
    } else if (!list.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      choose(event.key === "ArrowDown" ? chosen + 1 : chosen < 0 ? -1 : chosen - 1);
    } else if (event.key === "Enter" && !list.hidden) {
      const target = options()[Math.max(0, chosen)];
      if (target?.dataset.url) {
        event.preventDefault();
        location.href = target.dataset.url;
      }
    }
  });
  input.addEventListener("blur", () => setTimeout(close, 150));
  list.addEventListener("pointerdown", (event) => {
    const target = event.target.closest("[role=option]");
    if (!target?.dataset.url) return;
    event.preventDefault();
    location.href = target.dataset.url;
  });
})();
