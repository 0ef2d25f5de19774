/** The field that `/` puts the focus on. */

import { h } from "./elements.js";

const PAUSE_MS = 80; // a filter of thousands of rows follows typing, not each key

/** `changed` is called with the text a moment after the last key; Escape clears it. */
export function filterField(label, text, changed) {
  let timer = 0;
  const field = h("input", {
    type: "search",
    class: "filter",
    placeholder: label,
    "aria-label": label,
    "aria-keyshortcuts": "/",
    "data-filter": true,
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "200",
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => changed(field.value.trim()), PAUSE_MS);
    },
    onkeydown: (event) => {
      if (event.key !== "Escape") return;
      if (!field.value) return field.blur();
      field.value = "";
      changed("");
    },
  });
  field.value = text;
  return field;
}
