/** A table with all of its rows in the page: for up to some hundred of them. */

import { h } from "./elements.js";
import { makeHead, makeRow, showRow } from "./rows.js";

const NOTHING = "–";

/**
 * An element with a method `show(items)`. `keyOf` tells rows apart; `columns` are those of `rows.js`. An `optional` column
 * is hidden while no item has anything in it.
 */
export function smallTable(label, columns, keyOf) {
  const body = h("tbody");
  const head = makeHead(columns);
  const table = h("table", { class: "small" }, h("caption", { class: "unseen" }, label), head, body);
  const wide = h("div", { class: "wide", role: "group", "aria-label": label, tabindex: "0" }, table);
  let rows = new Map();
  wide.show = (items) => {
    const kept = new Map();
    for (const item of items) {
      const key = keyOf(item);
      const row = rows.get(key) ?? makeRow(columns);
      showRow(row, columns, item);
      kept.set(key, row);
    }
    for (const [key, row] of rows) if (kept.get(key) !== row) row.remove();
    let at = body.firstElementChild;
    for (const row of kept.values()) {
      if (row === at) at = at.nextElementSibling;
      else body.insertBefore(row, at);
    }
    rows = kept;
    columns.forEach(
      (column, index) =>
        column.optional &&
        hide(
          index,
          items.every((item) => column.text(item) === NOTHING),
        ),
    );
  };

  function hide(index, hidden) {
    for (const row of [head.firstElementChild, ...rows.values()]) row.children[index].hidden = hidden;
  }

  return wide;
}
