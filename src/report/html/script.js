"use strict";
// What the page can do beyond being read. Nothing here makes markup from text.
(() => {
  const root = document.documentElement;
  const one = (selector) => document.querySelector(selector);
  const files = [...document.querySelectorAll("details.file")];
  const filter = document.getElementById("//filter");
  const count = one(".toolbar output");
  const dialog = one("dialog");
  for (const tools of document.querySelectorAll(".tools, .toolbar")) tools.hidden = false;

  // Filtering: every word has to occur in the line of a file or in its rules' names.
  let texts;
  const textOf = (file) => {
    const sign = file.querySelector(".sign").title;
    const labels = [...file.querySelectorAll("summary code, .brief, .reason code, .names li")];
    return [sign, ...labels.map((label) => label.textContent)].join(" ").toLowerCase();
  };
  const show = () => {
    texts ??= files.map(textOf);
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    files.forEach((file, at) => {
      const fits = words.every((word) => texts[at].includes(word));
      if (file.hidden === fits) file.hidden = !fits;
      shown += fits;
    });
    count.textContent = words.length ? `${shown} of ${files.length}` : "";
  };
  filter.addEventListener("input", show);

  const foldAll = (open) => {
    for (const file of files) if (!file.hidden) file.open = open;
  };
  one(".expand").addEventListener("click", () => foldAll(true));
  one(".collapse").addEventListener("click", () => foldAll(false));

  // Side by side: made from the lines when a file is first open while it is wanted.
  const element = (name, className) => Object.assign(document.createElement(name), { className });
  const pair = (hunk) => {
    const table = element("div", "pairs");
    let gone = [];
    let come = [];
    const flush = () => {
      for (let at = 0; at < Math.max(gone.length, come.length); at++) {
        for (const line of [gone[at], come[at]]) {
          table.append(line ? line.cloneNode(true) : element("span", "none"));
        }
      }
      gone = [];
      come = [];
    };
    for (const line of hunk.querySelectorAll("pre > *")) {
      if (line.localName === "del") gone.push(line);
      else if (line.localName === "ins") come.push(line);
      else {
        flush();
        for (const side of ["o", "n"]) {
          const cell = line.cloneNode(true);
          delete cell.dataset[side === "o" ? "n" : "o"];
          table.append(cell);
        }
      }
    }
    flush();
    hunk.append(table);
  };
  const splitButton = one(".split");
  const isSplit = () => root.dataset.view === "split";
  const pairAll = (file) => {
    for (const hunk of file.querySelectorAll(".hunk")) if (!hunk.querySelector(".pairs")) pair(hunk);
  };
  const split = () => {
    root.dataset.view = isSplit() ? "unified" : "split";
    splitButton.setAttribute("aria-pressed", String(isSplit()));
    if (isSplit()) for (const file of files) if (file.open) pairAll(file);
  };
  splitButton.addEventListener("click", split);
  for (const file of files) {
    file.addEventListener("toggle", () => {
      if (file.open && isSplit()) pairAll(file);
    });
  }

  const theme = () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    one(".theme").setAttribute("aria-pressed", String(!dark));
  };
  one(".theme").addEventListener("click", theme);
  one(".keys").addEventListener("click", () => dialog.showModal());

  // Deep links: the fragment is the path, as it is or encoded as the page's own links have it.
  const encode = (path) =>
    [...new TextEncoder().encode(path)]
      .map((byte) => {
        const c = String.fromCharCode(byte);
        return /[A-Za-z0-9/._+@:=,~-]/.test(c) ? c : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
      })
      .join("");
  const target = () => {
    const hash = location.hash.slice(1);
    if (!hash) return null;
    const found = document.getElementById(hash);
    if (found) return found;
    try {
      const path = decodeURIComponent(hash).replace(/^\/(?!\/)/, "");
      return document.getElementById(path) ?? document.getElementById(encode(path));
    } catch {
      return null;
    }
  };
  const follow = () => {
    const found = target();
    if (!found) return;
    for (let at = found; at; at = at.parentElement) {
      if (at.localName === "details") {
        at.open = true;
        at.hidden = false;
      }
    }
    found.scrollIntoView({ block: "start" });
    found.querySelector?.(":scope > summary")?.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  follow();

  const step = (by) => {
    const shown = files.filter((file) => !file.hidden);
    const here = shown.indexOf(document.activeElement?.closest?.("details.file"));
    const next = shown[here < 0 ? (by > 0 ? 0 : shown.length - 1) : here + by];
    if (!next) return;
    next.querySelector("summary").focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const keys = {
    "/": () => filter.focus(),
    j: () => step(1),
    k: () => step(-1),
    e: () => foldAll(true),
    c: () => foldAll(false),
    s: split,
    t: theme,
    "?": () => dialog.showModal(),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    if (event.target === filter) {
      if (event.key === "Escape") {
        filter.value = "";
        show();
        filter.blur();
      }
      return;
    }
    const act = keys[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  // On paper nothing can be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
  });
})();
