/** Rows of a table: a column says how its cell is made and kept, and a row stays the same element while its key is shown. */

import { h, setText } from "./elements.js";

/**
 * A column is `{ id, title, kind, sort, text, make, show }`. With `text(item)` the cell has text; otherwise `make(cell)`
 * fills it once and `show(cell, item)` again and again. The first column of a row is its heading.
 */
export function makeRow(columns) {
  const cells = columns.map((column, index) => {
    const cell = h(index === 0 ? "th" : "td", { class: column.kind, scope: index === 0 ? "row" : null });
    column.make?.(cell);
    return cell;
  });
  const row = h("tr", {}, cells);
  row.cellOf = cells;
  return row;
}

export function showRow(row, columns, item) {
  row.item = item;
  columns.forEach((column, index) => {
    if (column.text) setText(row.cellOf[index], column.text(item));
    else column.show(row.cellOf[index], item);
  });
}

/** A cell that has one link: `link(cell, address, …children)` changes it where the address changes. */
export function link(cell, address, children) {
  let anchor = cell.firstElementChild;
  if (!anchor) {
    anchor = h("a", {});
    cell.append(anchor);
  }
  if (anchor.getAttribute("href") === address) return;
  anchor.setAttribute("href", address);
  anchor.replaceChildren(...children);
}

/** The head of a table. `sorted(id)` is called for a column with `sort`; without it the heads are text. */
export function makeHead(columns, sorted) {
  const heads = columns.map((column) => {
    const named =
      sorted && column.sort
        ? h("button", { type: "button", class: "sort", onclick: () => sorted(column.id) }, column.title)
        : column.title || h("span", { class: "unseen" }, column.label ?? column.id);
    return h("th", { scope: "col", class: column.kind, title: column.help }, named);
  });
  const head = h("thead", {}, h("tr", {}, heads));
  head.showSort = ({ id, down }) =>
    columns.forEach((column, index) => {
      if (id === column.id) heads[index].setAttribute("aria-sort", down ? "descending" : "ascending");
      else heads[index].removeAttribute("aria-sort");
    });
  return head;
}

/** Items in the order of a column; those without a value come last either way. */
export function inOrder(items, column, down) {
  const sign = down ? -1 : 1;
  return items.sort((one, other) => {
    const [left, right] = [column.sort(one), column.sort(other)];
    if (left === right) return one.key < other.key ? -1 : 1;
    if (left === null || left === undefined) return 1;
    if (right === null || right === undefined) return -1;
    return left < right ? -sign : sign;
  });
}
