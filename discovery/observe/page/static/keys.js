/** Keys that work in every view, and the dialog that lists them. */

import { to } from "./addresses.js";
import { h } from "./elements.js";

const KEY = "nodeproxy-keys";
const AFTER_G = { s: "services", m: "map", e: "errors", t: "tap", n: "node", c: "cluster" };
const SECOND_KEY_S = 1.5;

const HELP = [
  [["/"], "filter what is shown"],
  [["j"], ["↓"], "next row"],
  [["k"], ["↑"], "previous row"],
  [["Enter"], "open the row"],
  [["Esc"], "clear the filter, close this"],
  [["p"], "pause or go on, in the tap"],
  [["g", "s"], "services"],
  [["g", "m"], "map: who calls whom"],
  [["g", "e"], "errors"],
  [["g", "t"], "tap"],
  [["g", "n"], "node"],
  [["g", "c"], "cluster"],
  [["?"], "this help"],
];

let after_g = 0;

function allowed() {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
}

export function listenForKeys() {
  fill(document.getElementById("help"));
  document.getElementById("help-button").addEventListener("click", openHelp);
  document.addEventListener("keydown", pressed);
}

function pressed(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !allowed()) return;
  const second = performance.now() - after_g < SECOND_KEY_S * 1000;
  after_g = event.key === "g" && !second ? performance.now() : 0;
  if (second && AFTER_G[event.key]) location.hash = to(AFTER_G[event.key]);
  else if (event.key === "/") focusFilter();
  else if (event.key === "?") openHelp();
  else if (event.key === "p") document.querySelector("[data-pause]:not([disabled])")?.click();
  else if (["j", "k", "ArrowDown", "ArrowUp"].includes(event.key)) intoTable(event);
  else return;
  if (!event.key.startsWith("Arrow")) event.preventDefault();
}

function focusFilter() {
  const field = document.querySelector("[data-filter]");
  field?.focus();
  field?.select();
}

/** From outside of the table, the keys of its rows lead into it. */
function intoTable(event) {
  const table = document.querySelector(".scroll:not([hidden])");
  if (!table || table.contains(event.target)) return;
  if (event.key.startsWith("Arrow") && !event.target.matches("body, main, h1")) return; // they scroll, or move in a field
  table.dispatchEvent(new KeyboardEvent("keydown", { key: event.key, bubbles: false, cancelable: true }));
}

function openHelp() {
  document.getElementById("help").showModal();
}

function fill(dialog) {
  const choice = h("input", {
    type: "checkbox",
    id: "keys-allowed",
    onchange: () => {
      try {
        localStorage.setItem(KEY, choice.checked ? "on" : "off");
      } catch {
        /* the browser keeps nothing for this page: they stay on */
      }
    },
  });
  choice.checked = allowed();
  dialog.append(
    h(
      "div",
      { class: "dialog-head" },
      h("h2", { id: "help-title" }, "Keys"),
      h("button", { type: "button", class: "tool", "aria-label": "Close", onclick: () => dialog.close() }, "✕"),
    ),
    h(
      "dl",
      { class: "keys" },
      HELP.map((entry) =>
        h(
          "div",
          {},
          h(
            "dt",
            {},
            entry
              .slice(0, -1)
              .map((keys, index) => [index ? " or " : "", ...keys.flatMap((key) => [h("kbd", {}, key), " "])]),
          ),
          h("dd", {}, entry.at(-1)),
        ),
      ),
    ),
    h("label", { class: "check" }, choice, "Single keys are shortcuts"),
    h("p", { class: "faint" }, "The command line has the same and more: ", h("code", {}, "nodeproxy --help"), "."),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
