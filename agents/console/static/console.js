// Keys, pages that renew themselves, and forms that do not leave the page. Everything works without it, by links and forms.
"use strict";
(() => {
  const list = () => document.getElementById("list");
  const cases = () => [...document.querySelectorAll("li.case")];
  let current = null; // id of the case that keys are about

  // ---- Renewal: the server says what changed; the part of the page that shows it is asked for again.
  const QUIET_MS = 400;
  let source = null;
  let waiting = 0;

  function renew() {
    if (!window.htmx || !list()) return;
    if (document.querySelector("#act details[open]")) return void (waiting = setTimeout(renew, 2000));
    waiting = 0;
    window.htmx.trigger(list(), "refresh");
  }
  function soon(ms = QUIET_MS) {
    if (!waiting) waiting = setTimeout(renew, ms * (1 + Math.random()));
  }
  function listen() {
    if (source || !window.htmx || !list()) return;
    source = new EventSource(document.body.dataset.live);
    source.addEventListener("changed", (event) => {
      const shown = (list()?.dataset.parts || "").split(" ");
      if (event.data.split(" ").some((part) => shown.includes(part))) soon();
    });
  }
  function rest() {
    source?.close();
    source = null;
  }
  // A page that nobody sees holds no connection; browsers allow few of them.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) rest();
    else {
      listen();
      soon(0);
    }
  });
  window.addEventListener("pagehide", rest);
  window.addEventListener("pageshow", listen);
  listen();

  // ---- What is chosen and current outlives a renewal.
  let chosen = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id === "list")
      chosen = [...document.querySelectorAll("input[name=case]:checked")].map((each) => each.value);
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt?.id !== "list" && event.detail.target?.id !== "list") return;
    for (const box of document.querySelectorAll("input[name=case][type=checkbox]")) box.checked = chosen.includes(box.value);
    if (current) mark(cases().find((each) => each.dataset.case === current) || null, false);
  });

  // ---- Forms that act.
  const form = () => document.getElementById("act");
  document.addEventListener("htmx:configRequest", (event) => {
    const token = document.querySelector("input[name=csrf]");
    if (token) event.detail.headers["X-CSRF-Token"] = token.value;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.requestConfig?.verb !== "post") return;
    if (!event.detail.successful) return tell(event.detail.xhr);
    for (const id of (document.querySelector(".toast")?.dataset.cases || "").split(" "))
      document.querySelector(`li.case[data-case="${CSS.escape(id)}"]`)?.classList.add("pending");
    for (const box of document.querySelectorAll("input[name=case]:checked")) box.checked = false;
    shut();
    soon(2500); // in case the news of it is lost
  });
  function tell(answer) {
    const said = new DOMParser().parseFromString(answer.responseText, "text/html").querySelector("[role=alert]");
    const toast = document.createElement("div");
    toast.className = "toast";
    const words = document.createElement("p");
    words.textContent = said?.textContent || "That did not work; try again.";
    toast.append(words);
    document.getElementById("toast").replaceChildren(toast);
  }

  // What has the focus would keep it behind a closed menu.
  function shut() {
    for (const open of document.querySelectorAll("#act details[open]")) {
      open.open = false;
      (here()?.querySelector("a") || open.querySelector("summary")).focus();
    }
  }

  // Acts on what is chosen, else on the current case.
  function withCases(then) {
    if (!form()) return;
    const single = form().querySelector("input[type=hidden][name=case]");
    if (!single && !document.querySelector("input[name=case]:checked")) {
      const box = document.querySelector(`li.case[data-case="${CSS.escape(current || "")}"] input[name=case]`);
      if (!box) return;
      box.checked = true;
    }
    then();
  }

  // ---- Keys.
  function mark(row, focus = true) {
    for (const each of cases()) each.classList.toggle("current", each === row);
    current = row ? row.dataset.case : current;
    if (row && focus) row.querySelector("a").focus();
    if (row) row.scrollIntoView({ block: "nearest" });
  }
  function move(step) {
    const all = cases();
    const at = all.findIndex((each) => each.dataset.case === current);
    const next = all[Math.max(0, Math.min(all.length - 1, at + step))];
    if (next) mark(next);
  }
  const here = () => document.querySelector("li.case.current");
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    Enter: () => here()?.querySelector("a").click(),
    x: () => here()?.querySelector("input[name=case]")?.click(),
    u: () => document.querySelector("[data-undo]")?.click(),
    "?": () => document.getElementById("keys")?.showModal(),
  };
  const writes = (element) => element.matches?.("input:not([type=checkbox]), select, textarea, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (event.key === "Escape") {
      return shut();
    }
    const menu = target.closest?.(".menu");
    if (event.key === "Enter" && menu && target.matches("input, select")) {
      event.preventDefault();
      return menu.querySelector("button")?.click();
    }
    if (writes(target)) return;
    if (event.key === "Enter" && target.matches("a, button, summary")) return;
    const act = keys[event.key];
    if (act) {
      event.preventDefault();
      return act();
    }
    const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!button) return;
    event.preventDefault();
    if (button.matches("input")) return button.focus();
    withCases(() => {
      if (!button.matches("details")) return button.click();
      button.open = true;
      button.querySelector("select, input")?.focus();
    });
  });
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("li.case");
    if (row) mark(row, false);
  });
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("#act details[open], .views details[open]"))
      if (!open.contains(event.target)) open.open = false;
    // A button outside a menu acts on the current case, too.
    if (event.target.closest?.("#act > button, #act > details > summary")) withCases(() => {});
  }, true);
})();
