"use strict";
(() => {
  const said = document.getElementById("said");
  const say = (text) => { if (said && said.textContent !== text) said.textContent = text; };

  // `n` and `p` go through the entries of a list, `/` to the first field, arrows through the pages.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/INPUT|SELECT|TEXTAREA/.test(event.target.tagName) || event.target.closest(".wide")) return;
    const pages = { ArrowLeft: "prev", ArrowRight: "next" };
    if (event.key === "/") {
      const field = document.querySelector(".filter :is(input, select)");
      if (field) { event.preventDefault(); field.focus(); }
    } else if (event.key in pages) {
      document.querySelector(`.pager a[rel=${pages[event.key]}]`)?.click();
    } else if (event.key === "n" || event.key === "p") {
      const all = Array.from(document.querySelectorAll(".list a.main, .pictures figure a"));
      if (!all.length) return;
      const now = all.indexOf(document.activeElement);
      const step = event.key === "n" ? 1 : -1;
      all[now < 0 ? (step > 0 ? 0 : all.length - 1) : (now + step + all.length) % all.length].focus();
    }
  });
  for (const field of document.querySelectorAll("form.filter[method=get] select")) {
    field.addEventListener("change", () => field.form.requestSubmit());
  }

  // A run's page: the socket says that something is new, the server draws it.
  const { follow, part } = document.body.dataset;
  const live = document.getElementById("live");
  let next = follow;
  let begun = false;
  const show = async () => {
    const answer = await fetch(part + location.search);
    if (!answer.ok) { say(`the page could not be drawn again: ${answer.status}`); return; }
    const open = Array.from(live.querySelectorAll("details"), (one) => one.open);
    const focused = live.contains(document.activeElement) ? document.activeElement : null;
    if (focused && /SELECT|INPUT/.test(focused.tagName)) return; // somebody is choosing
    live.innerHTML = await answer.text();
    live.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? false; });
    for (const field of live.querySelectorAll("form.filter[method=get] select")) {
      field.addEventListener("change", () => field.form.requestSubmit());
    }
  };
  const listen = () => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    let text = "";
    socket.addEventListener("open", () => socket.send(JSON.stringify({ id: "live", follow: next })));
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "error") { say(`${message.place}: ${message.found}`); return; }
      if (message.type === "frames") { text += message.text; return; }
      const found = JSON.parse(text);
      text = "";
      next = `${follow.split("?")[0]}?after=${found.next}`;
      said.classList.add("connected");
      say(`live: ${found.run.state}, step ${found.run.step}${found.run.total ? ` of ${found.run.total}` : ""}`);
      if (begun || found.windows.length) show();
      begun = true;
    });
    socket.addEventListener("close", () => {
      said.classList.remove("connected");
      say("the server is not there; trying again");
      begun = true;
      setTimeout(listen, 2000);
    });
  };
  if (follow) listen();

  // Sampling: sessions are made, stepped and deleted at /api/sessions.
  const ask = async (address, method, body) => {
    const answer = await fetch(address, {
      method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body),
    });
    const found = answer.status === 204 ? {} : await answer.json();
    if (!answer.ok) throw new Error(`${found.error.found}; expected ${found.error.expected}${found.error.remedy ? `; ${found.error.remedy}` : ""}`);
    return found;
  };
  const trying = (button, what) => async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    try { await what(); } catch (error) { say(error.message); } finally { button.disabled = false; }
  };
  const add = (place, slug, step, names) => {
    const item = document.createElement("li");
    const picture = document.createElement("img");
    const name = names?.[step.class] ?? step.class;
    picture.src = `/api/sessions/${slug}/steps/${step.number}.png`;
    picture.alt = `sample of class ${name}`;
    const words = document.createElement("figcaption");
    words.textContent = `class ${name}, alpha ${step.alpha}, seed ${step.seed}, place ${step.index}`;
    const figure = document.createElement("figure");
    figure.append(picture, words);
    item.append(figure);
    place.prepend(item);
  };
  const session = (view, old) => {
    const made = document.getElementById("session").content.firstElementChild.cloneNode(true);
    const form = made.querySelector("form");
    const [draw, remove] = form.querySelectorAll("button");
    const address = `/api/sessions/${view.slug}`;
    const described = (now) => {
      made.querySelector("h2").textContent = `${now.facts.name ?? "session"} (${now.state})`;
      made.querySelector(".kept").textContent = `Kept ${now.kept}. ${now.facts.says ?? ""}`;
      const chosen = form.elements.class;
      const count = now.facts.classes ?? 1;
      for (let one = chosen.options.length; one < count; one += 1) {
        chosen.add(new Option(now.facts.class_names?.[one] ?? one, one));
      }
    };
    described(view);
    for (const step of view.steps) add(made.querySelector(".drawn"), view.slug, step, view.facts.class_names);
    form.addEventListener("submit", trying(draw, async () => {
      say("drawing");
      const values = form.elements;
      const step = await ask(`${address}/steps`, "POST", {
        class: Number(values.class.value || 0), alpha: Number(values.alpha.value), seed: Number(values.seed.value),
      });
      const now = await ask(address, "GET");
      described(now);
      add(made.querySelector(".drawn"), view.slug, step, now.facts.class_names);
      say(`drawn: class ${step.class}, place ${step.index}`);
    }));
    remove.addEventListener("click", trying(remove, async () => {
      await ask(address, "DELETE");
      made.remove();
      say("the session is deleted, and what it drew with it");
    }));
    if (old) old.replaceWith(made); else document.getElementById("sessions").prepend(made);
  };
  const opens = document.getElementById("open");
  if (opens) {
    const button = opens.querySelector("button");
    opens.addEventListener("submit", trying(button, async () => {
      session(await ask("/api/sessions", "POST", { run: opens.elements.run.value }));
      say("a session is open");
    }));
  }
  for (const old of document.querySelectorAll(".session[data-view]")) session(JSON.parse(old.dataset.view), old);
})();
