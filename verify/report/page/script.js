"use strict";
(() => {
  const root = document.documentElement;
  const list = document.getElementById("list");
  const all = Array.from(list.querySelectorAll(".clause"));
  const field = (name) => document.getElementById(name);
  root.classList.add("scripted");

  const shown = () => {
    const words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcome = field("outcome").value;
    const contract = field("contract").value;
    let count = 0;
    for (const one of all) {
      const text = one.dataset.text;
      const fits = words.every((word) => text.includes(word))
        && (!outcome || one.dataset.outcome === outcome || (outcome === "!pass" && one.dataset.outcome !== "pass"))
        && (!contract || one.dataset.contract === contract);
      one.hidden = !fits;
      count += fits;
    }
    field("count").textContent = `${count} of ${all.length} clauses`;
  };

  const sorted = () => {
    const by = field("sort").value;
    const key = (one) => by === "order" ? Number(one.dataset.order)
      : by === "id" ? one.dataset.id : -Number(one.dataset[by] || -1);
    const less = (a, b) => {
      const [x, y] = [key(a), key(b)];
      return x < y ? -1 : x > y ? 1 : Number(a.dataset.order) - Number(b.dataset.order);
    };
    list.append(...[...all].sort(less));
  };

  for (const name of ["search", "outcome", "contract"]) field(name).addEventListener("input", shown);
  field("sort").addEventListener("input", sorted);
  field("open").addEventListener("click", () => {
    const visible = all.filter((one) => !one.hidden);
    const open = visible.some((one) => !one.open);
    for (const one of visible) one.open = open;
  });

  // A link to a clause opens it, whatever the filter hides.
  const follow = () => {
    const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!one) return;
    for (let part = one; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (one.hidden) { one.hidden = false; }
    one.scrollIntoView();
    const at = one.querySelector("summary");
    if (at) at.focus();
  };
  addEventListener("hashchange", follow);
  if (location.hash) follow();

  // `n` and `p` go from one clause that did not pass to the next, `/` to the search.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
    if (event.key === "/") { event.preventDefault(); field("search").focus(); return; }
    if (event.key !== "n" && event.key !== "p") return;
    const troubled = Array.from(list.querySelectorAll(".clause:not([hidden])")).filter((one) => one.dataset.outcome !== "pass");
    if (!troubled.length) return;
    const now = troubled.findIndex((one) => one.contains(document.activeElement));
    const step = event.key === "n" ? 1 : -1;
    const next = troubled[now < 0 ? (step > 0 ? 0 : troubled.length - 1) : (now + step + troubled.length) % troubled.length];
    next.open = true;
    next.querySelector("summary").focus();
    next.scrollIntoView();
  });

  for (const figure of document.querySelectorAll("figure.frames")) {
    const range = figure.querySelector("input");
    const moments = Array.from(figure.querySelectorAll(".moment"));
    const labels = JSON.parse(range.dataset.labels);
    range.addEventListener("input", () => {
      moments.forEach((one, index) => one.toggleAttribute("hidden", index !== Number(range.value)));
      figure.querySelector("output").textContent = labels[Number(range.value)];
    });
  }

  // Paper has no folds: everything is open while printing, and as it was afterwards.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = Array.from(document.querySelectorAll("details:not([open])"));
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
})();
