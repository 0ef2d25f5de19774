/**
 * A sortable table of thousands of rows: only those within sight are in the page. All rows have one height, so where a
 * row stands follows from its number and nothing needs to be measured while it scrolls.
 */

import { h, setAttribute } from "./elements.js";
import { inOrder, makeHead, makeRow, showRow } from "./rows.js";

const BEYOND = 6; // rows made above and below those in sight: a step of the keyboard finds its row there
const REORDER_S = 5; // rows that trade places each second cannot be read

export class LongTable {
  /** `sort` is `{ id, down }`; `sorted` is called with it after a click on a head. */
  constructor({ label, columns, sort, sorted }) {
    this.columns = columns;
    this.sort = sort;
    this.items = [];
    this.rows = new Map();
    this.ordered_at = 0;
    this.head = makeHead(columns, (id) => {
      const first = this.columns.find((column) => column.id === id).down ?? false;
      this.sort = { id, down: this.sort.id === id ? !this.sort.down : first };
      this.order();
      sorted?.(this.sort);
    });
    this.above = h("tr", { class: "pad", "aria-hidden": "true" });
    this.below = h("tr", { class: "pad", "aria-hidden": "true" });
    this.body = h("tbody", {}, this.above, this.below);
    this.table = h("table", { class: "long" }, h("caption", { class: "unseen" }, label), this.head, this.body);
    this.element = h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, this.table);
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.resized = new ResizeObserver(() => this.measure());
    this.resized.observe(this.element);
  }

  /** Its size is watched no longer. */
  end() {
    this.resized.disconnect();
  }

  measure() {
    this.height = this.element.clientHeight;
    this.row_height = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row"));
    this.draw();
  }

  /** Other items, such as after a filter. */
  show(items) {
    this.items = items;
    this.order();
  }

  order() {
    const column = this.columns.find((each) => each.id === this.sort.id);
    inOrder(this.items, column, this.sort.down);
    this.ordered_at = performance.now();
    this.head.showSort(this.sort);
    setAttribute(this.table, "aria-rowcount", this.items.length + 1);
    this.draw();
  }

  /** The items have other numbers. Their order follows some seconds later, and not under a pointer or the keyboard. */
  refresh() {
    const held = this.body.matches(":hover") || this.body.matches(":focus-within");
    if (!held && performance.now() - this.ordered_at > REORDER_S * 1000) this.order();
    else this.draw();
  }

  draw() {
    if (!this.row_height) return;
    const first = Math.max(Math.floor(this.element.scrollTop / this.row_height) - BEYOND, 0);
    const end = Math.min(first + Math.ceil(this.height / this.row_height) + 2 * BEYOND, this.items.length);
    const wanted = new Map();
    for (let index = first; index < end; index++) wanted.set(this.items[index].key, index);
    for (const [key, row] of this.rows) if (!wanted.has(key)) this.drop(key, row);
    let after = this.above;
    for (const [key, index] of wanted) {
      const row = this.rows.get(key) ?? this.add(key);
      showRow(row, this.columns, this.items[index]);
      setAttribute(row, "aria-rowindex", index + 2);
      row.index = index;
      if (after.nextElementSibling !== row) after.after(row);
      after = row;
    }
    this.above.style.height = `${first * this.row_height}px`;
    this.below.style.height = `${(this.items.length - end) * this.row_height}px`;
  }

  add(key) {
    const row = makeRow(this.columns);
    this.rows.set(key, row);
    return row;
  }

  drop(key, row) {
    if (row.contains(document.activeElement)) this.element.focus({ preventScroll: true }); // and not to the page's start
    row.remove();
    this.rows.delete(key);
  }

  key(event) {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const row = document.activeElement.closest?.("tr");
    const from = row?.index ?? Math.floor(this.element.scrollTop / this.row_height) - (step > 0 ? 1 : 0);
    this.focus(Math.min(Math.max(from + step, 0), this.items.length - 1));
  }

  /** Puts the focus on the row with this number. */
  focus(index) {
    if (!this.items.length) return;
    const head = this.head.offsetHeight;
    const top = index * this.row_height;
    const { scrollTop } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.row_height > scrollTop + this.height - head)
      this.element.scrollTop = top + this.row_height - this.height + head;
    this.draw();
    this.rows.get(this.items[index].key)?.querySelector("a, button")?.focus({ preventScroll: true });
  }
}
