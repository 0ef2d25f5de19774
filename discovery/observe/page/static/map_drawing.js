/** Draws a graph: nodes are links, so the keyboard and a screen reader walk through them; calls are lines. */

import { to as address } from "./addresses.js";
import { setAttribute, setText, svg } from "./elements.js";
import { duration, rate, share } from "./format.js";
import { layout, NODE } from "./map_layout.js";

const SCALE_LEAST = 0.8;
const SCALE_MOST = 1.2;
const NAME_MOST = 21; // letters that fit into a node

/** An SVG element with a method `show(pairs, totals, focus)`: the calls drawn, and what is asked of each node at all. */
export function mapDrawing() {
  const lines = svg("g", { class: "calls" });
  const nodes = svg("g", {});
  const drawing = svg("svg", { class: "map", role: "group", "aria-label": "Map of calls" }, lines, nodes);
  let shape = "";
  let parts = null;

  drawing.show = (pairs, totals, focus) => {
    const now = `${focus}|${pairs
      .map((pair) => pair.key)
      .sort()
      .join("|")}`;
    if (now !== shape) {
      parts = drawn(drawing, lines, nodes, pairs, focus);
      shape = now;
    }
    const busiest = Math.max(...pairs.map((pair) => pair.requests_per_s), 1);
    for (const pair of pairs) showCall(parts.calls.get(pair.key), pair, busiest, Boolean(focus));
    for (const [name, node] of parts.nodes) showNode(node, name, totals.get(name));
  };
  return drawing;
}

function drawn(drawing, lines, nodes, pairs, focus) {
  const plan = layout(pairs, focus, drawing.parentElement.clientHeight);
  setAttribute(drawing, "viewBox", `0 0 ${plan.width} ${plan.height}`);
  drawing.style.width = `${plan.width * scale(drawing, plan)}px`;
  const calls = new Map(pairs.map((pair) => [pair.key, callLine(pair, plan)]));
  const boxes = new Map([...plan.places].map(([name, place]) => [name, nodeBox(name, place, name === focus)]));
  const focused = document.activeElement?.dataset?.node;
  lines.replaceChildren(...[...calls.values()].map((call) => call.group));
  nodes.replaceChildren(...[...boxes.values()].map((box) => box.anchor));
  if (focused && boxes.has(focused)) boxes.get(focused).anchor.focus();
  for (const [name, { anchor }] of boxes) {
    const near = pairs
      .filter((pair) => pair.from === name || pair.to === name)
      .map((pair) => calls.get(pair.key).group);
    const mark = (on) => () => {
      lines.classList.toggle("dimmed", on);
      near.forEach((group) => group.classList.toggle("near", on));
    };
    for (const event of ["mouseenter", "focus"]) anchor.addEventListener(event, mark(true));
    for (const event of ["mouseleave", "blur"]) anchor.addEventListener(event, mark(false));
  }
  return { calls, nodes: boxes };
}

/** As large as fits, and no smaller than can be read. */
function scale(drawing, { width, height }) {
  const { clientWidth, clientHeight } = drawing.parentElement;
  return Math.min(
    SCALE_MOST,
    Math.max(SCALE_LEAST, Math.min((clientWidth - 16) / width, (clientHeight - 16) / height)),
  );
}

function callLine(pair, { places, ways }) {
  const [start, end] = [places.get(pair.from), places.get(pair.to)];
  const path = svg("path", { class: "call", d: curve(start, end, ways.get(pair.key) ?? []) });
  const label = svg("text", {
    class: "call-rate",
    x: (start.x + NODE.width + end.x) / 2,
    y: (start.y + end.y + NODE.height) / 2 - 5,
    "text-anchor": "middle",
  });
  return { path, label, group: svg("g", {}, path, label) };
}

/** From the right side of the caller to the left side of the called, between the nodes of the columns on its way. */
function curve(start, end, way) {
  const middle = NODE.height / 2;
  if (end.x <= start.x) return circle(start, end, middle);
  const points = [
    [start.x + NODE.width, start.y + middle],
    ...way.flatMap(({ x, y }) => [
      [x, y],
      [x + NODE.width, y],
    ]),
    [end.x, end.y + middle],
  ];
  return points.reduce((path, [x, y], index) => {
    if (!index) return `M${x} ${y}`;
    const [x0, y0] = points[index - 1];
    const half = (x - x0) / 2;
    return `${path}C${x0 + half} ${y0} ${x - half} ${y} ${x} ${y}`;
  }, "");
}

/** A call back to an earlier column, or within one, leaves and arrives on the right. */
function circle(start, end, middle) {
  const [x1, y1, x2, y2] = [start.x + NODE.width, start.y + middle, end.x + NODE.width, end.y + middle];
  const bend = Math.max(x1, x2) + 52;
  return `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`;
}

function showCall({ path, label, group }, { requests_per_s, errors_per_s }, busiest, labelled) {
  const share_of_busiest = Math.log1p(requests_per_s) / Math.log1p(busiest);
  setAttribute(path, "stroke-width", (1 + 4 * share_of_busiest).toFixed(1));
  group.classList.toggle("bad", errors_per_s > 0);
  group.classList.toggle("idle", !requests_per_s);
  group.classList.toggle("labelled", labelled);
  setText(label, requests_per_s ? `${rate(requests_per_s)}/s` : "");
}

function nodeBox(name, { x, y }, focused) {
  const shown = name.length > NAME_MOST ? `${name.slice(0, NAME_MOST - 1)}…` : name;
  const second = svg("text", { class: "node-rate", x: x + 12, y: y + 31 });
  const anchor = svg(
    "a",
    {
      class: focused ? "node focused" : "node",
      href: focused ? address("service", name) : address("map", name),
      "data-node": name,
    },
    svg("rect", { x, y, width: NODE.width, height: NODE.height, rx: 8 }),
    svg("text", { class: "node-name", x: x + 12, y: y + 16.5 }, shown),
    second,
  );
  return { anchor, second, focused };
}

function showNode({ anchor, second, focused }, name, total) {
  const asked = total ? `${rate(total.requests_per_s)}/s` : "only calls";
  const failed = total?.errors_per_s ? `${share(total.errors_per_s, total.requests_per_s)} errors` : "";
  const slow = total && total.p99_s !== null ? `p99 ${duration(total.p99_s)}` : "";
  setText(second, [asked, failed || slow].filter(Boolean).join(" · "));
  anchor.classList.toggle("bad", Boolean(failed));
  setAttribute(
    anchor,
    "aria-label",
    `${name}: ${[asked, failed, slow].filter(Boolean).join(", ")}. ${focused ? "Opens the service" : "Shows its calls"}`,
  );
}
