/** All nodes of the cluster beside each other, where the setting `page_cluster` is on. */

import { empty, h, section, setText } from "./elements.js";
import { count, many, rate, sentence, share } from "./format.js";
import { smallTable } from "./small_table.js";
import { poll } from "./sources.js";

const EVERY_S = 5;
const COLUMNS = [
  { id: "node", title: "Node", kind: "name", text: (node) => node.name },
  {
    id: "state",
    title: "State",
    kind: "state",
    show: (cell, node) => {
      if (!cell.badge) cell.append((cell.badge = h("span", {})), (cell.why = h("span", { class: "why" })));
      setText(cell.badge, node.reachable ? "reachable" : "no answer");
      cell.badge.className = `badge ${node.reachable ? "good" : "bad"}`;
      setText(cell.why, node.error ?? "");
    },
  },
  { id: "requests", title: "Requests/s", kind: "number", text: (node) => known(node, rate(node.requests_per_s)) },
  {
    id: "errors",
    title: "Errors",
    kind: "number",
    show: (cell, node) => {
      setText(cell, known(node, share(node.errors_per_s, node.requests_per_s) || "0"));
      cell.classList.toggle("bad", node.errors_per_s > 0);
    },
  },
  { id: "services", title: "Services", kind: "number low", text: (node) => known(node, count(node.services)) },
  {
    id: "workers",
    title: "Workers",
    kind: "number low",
    text: (node) => known(node, String(node.workers?.length ?? node.workers)),
  },
  {
    id: "table",
    title: "Table confirmed",
    kind: "number low",
    text: (node) => (node.reachable && node.table_age_s !== null ? `${node.table_age_s.toFixed(1)} s ago` : "–"),
  },
];

function known(node, text) {
  return node.reachable ? text : "–";
}

export function show(main, _, life) {
  const facts = h("p", { class: "facts" });
  const table = smallTable("Nodes", COLUMNS, (node) => node.name);
  const nodes = section("Nodes", table);
  const nothing = h("div", { class: "nothing" }, empty("Waiting for the nodes"));
  nodes.hidden = true;
  main.append(
    h(
      "div",
      { class: "view" },
      h("div", { class: "top" }, h("h1", { tabindex: "-1" }, "Cluster")),
      facts,
      nothing,
      h("div", { class: "sections" }, nodes),
    ),
  );

  const asking = new AbortController(); // it ends where the view is off: it would be off the next time too
  life.addEventListener("abort", () => asking.abort());
  poll("api/cluster", {
    what: "cluster",
    life: asking.signal,
    every_s: EVERY_S,
    answered: ({ nodes: all }) => {
      nothing.hidden = true;
      nodes.hidden = false;
      const silent = all.filter((node) => !node.reachable).length;
      setText(
        facts,
        silent ? `${many(all.length, "node")}, ${count(silent)} without an answer` : many(all.length, "node"),
      );
      table.show(all);
    },
    failed: ({ message, status }) => {
      if (status === 404) asking.abort();
      if (nodes.hidden)
        nothing.replaceChildren(
          empty(status === 404 ? "Only this node is shown" : "The nodes have no answer", sentence(message)),
        );
    },
  });
}
