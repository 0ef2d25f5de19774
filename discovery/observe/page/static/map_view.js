/** Who calls whom: the busiest calls of the node, or one service with those around it; and the same as a table. */

import { replace, to } from "./addresses.js";
import { COLUMNS } from "./call_columns.js";
import { around, busiest, CallGraph } from "./call_graph.js";
import { empty, h, serviceName, setText } from "./elements.js";
import { filterField } from "./filter.js";
import { count, many } from "./format.js";
import { LongTable } from "./long_table.js";
import { mapDrawing } from "./map_drawing.js";
import { say } from "./say.js";
import { follow } from "./sources.js";

const NODES_MOST = 28; // in one picture, still readable
const AROUND_MOST = 14; // on either side of one service
const NARROW = "(max-width: 700px)"; // no room for columns: the table comes first
const QUIET_S = 10; // an event comes every two seconds

export function show(main, { name: focus, query }, life) {
  const graph = new CallGraph();
  const drawing = mapDrawing();
  const state = { text: "", table: (query.get("as") ?? (matchMedia(NARROW).matches ? "table" : "")) === "table" };
  const picture = h("div", { class: "canvas", role: "region", "aria-label": "Map", tabindex: "0" }, drawing);
  const table = new LongTable({ label: "Calls", columns: COLUMNS, sort: { id: "requests", down: true } });
  const shown = h("p", { class: "shown" });
  const nothing = h("div", { class: "nothing" }, empty("Waiting for the first numbers"));
  const found = h("ul", { class: "found", "aria-label": "Services that match" });
  const filter = filterField("Find a service", "", (text) => {
    state.text = text.toLowerCase();
    draw();
  });
  const choice = h(
    "div",
    { class: "choice", role: "group", "aria-label": "Show as" },
    [
      ["Map", false],
      ["Table", true],
    ].map(([title, as]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(state.table === as),
          onclick: (event) => pick(as, event.currentTarget),
        },
        title,
      ),
    ),
  );
  const title = focus ? `Calls of ${focus}` : "Map";
  main.append(
    h(
      "div",
      { class: "view fixed" },
      h(
        "div",
        { class: "top" },
        h("h1", { tabindex: "-1" }, title),
        focus
          ? h(
              "p",
              { class: "links" },
              h("a", { href: to("map") }, "All calls"),
              h("a", { href: to("service", focus) }, "Open the service"),
            )
          : null,
      ),
      h("div", { class: "controls" }, filter, choice, shown),
      found,
      picture,
      table.element,
      nothing,
    ),
  );
  life.addEventListener("abort", () => table.end());

  function pick(as, button) {
    state.table = as;
    for (const each of choice.children) each.setAttribute("aria-pressed", String(each === button));
    replace(to("map", focus, { as: as ? "table" : "map" }));
    draw();
  }

  function draw() {
    const all = graph.pairs();
    const { pairs, left_out } = focus ? around(all, focus, AROUND_MOST) : busiest(all, NODES_MOST);
    const more = left_out + graph.others;
    const calls = graph
      .list()
      .filter(
        (call) =>
          (!focus || call.to === focus || call.source === focus) &&
          `${call.to} ${call.source}`.toLowerCase().includes(state.text),
      );
    const some = pairs.length > 0;
    picture.hidden = state.table || !some;
    table.element.hidden = !state.table || !some;
    nothing.hidden = some;
    if (some && state.table) table.show(calls);
    else if (some) drawing.show(pairs, graph.totals(), focus);
    else if (graph.arrived) nothing.replaceChildren(focus ? alone(focus) : idle());
    setText(
      shown,
      state.table
        ? many(calls.length, "call")
        : `${many(pairs.length, "call")}${more ? `, ${count(more)} less busy ones not drawn` : ""}`,
    );
    showFound();
  }

  function showFound() {
    const names =
      state.text && !state.table
        ? graph
            .names()
            .filter((name) => name.toLowerCase().includes(state.text))
            .slice(0, 8)
        : [];
    found.hidden = !names.length;
    const now = names.join(" ");
    if (found.dataset.names === now) return;
    found.dataset.names = now;
    found.replaceChildren(...names.map((name) => h("li", {}, h("a", { href: to("map", name) }, ...serviceName(name)))));
    if (state.text) say(names.length ? many(names.length, "service") : "No service matches");
  }

  filter.addEventListener("keydown", (event) => {
    const [first] = graph.names().filter((name) => name.toLowerCase().includes(filter.value.trim().toLowerCase()));
    if (event.key === "Enter" && filter.value.trim() && first) location.hash = to("map", first);
  });
  follow("api/map?stream=1", {
    what: "map",
    life,
    quiet_s: QUIET_S,
    events: {
      map: (event) => {
        graph.take(event);
        graph.arrived = true;
        draw();
      },
    },
  });
}

function idle() {
  return empty(
    "No calls yet",
    "A line appears here when a pod of this node calls a service by its mesh name: ",
    h("code", {}, "curl http://web.shop.mesh/"),
  );
}

function alone(focus) {
  return empty(
    `No calls of ${focus}`,
    "Nothing has called it within the last half minute, and it has called nothing. ",
    h("a", { href: to("map") }, "All calls"),
  );
}
