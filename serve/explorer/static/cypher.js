"use strict";
// Cypher of one's own: the text is sent to the server, which answers with a part of this page. The text
// stands in the address, behind "#", so that a link holds it; it runs only when somebody asks for that.
(() => {
  const form = document.getElementById("cypher");
  const text = document.getElementById("text");
  const problem = document.getElementById("problem");
  const answer = document.getElementById("answer");
  const downloads = form.querySelector(".downloads");
  if (location.hash.length > 1) text.value = decodeURIComponent(location.hash.slice(1));

  async function send(as) {
    problem.textContent = "";
    const reply = await fetch("/cypher", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ run: form.dataset.run, text: text.value, as }),
    });
    if (!reply.ok) {
      const { error } = await reply.json().catch(() => ({ error: "The server does not answer." }));
      problem.textContent = error;
      return null;
    }
    return reply;
  }

  async function run(event) {
    event?.preventDefault();
    history.replaceState(null, "", `#${encodeURIComponent(text.value)}`);
    answer.textContent = "Asking …";
    downloads.hidden = true;
    const reply = await send("page").catch(() => null);
    // The server escapes every value; nothing else is in its templates.
    answer.innerHTML = reply ? await reply.text() : "";
    downloads.hidden = !reply;
  }

  for (const as of ["csv", "json"]) {
    document.getElementById(as).addEventListener("click", async (event) => {
      event.preventDefault();
      const reply = await send(as);
      if (!reply) return;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await reply.blob());
      link.download = `rows.${as}`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
  form.addEventListener("submit", run);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(event);
  });
})();
