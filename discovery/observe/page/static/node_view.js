/** The node itself: its workers, what it follows and why, its callers, what is on trial. */

import { to } from "./addresses.js";
import { empty, h, section, setText } from "./elements.js";
import { age, count, many, sentence } from "./format.js";
import { link } from "./rows.js";
import { smallTable } from "./small_table.js";
import { poll } from "./sources.js";

const EVERY_S = 3;
const LATE_S = 5; // a worker reports each second

const keyed = (service) => service.split("/").reverse().join("."); // `shop/web` is shown as `web.shop`
const serviceCell = (cell, each) => link(cell, to("service", keyed(each.service)), [keyed(each.service)]);

const WORKERS = [
  { id: "worker", title: "Worker", kind: "name", text: (worker) => `worker ${worker.number}` },
  { id: "state", title: "State", kind: "state", show: (cell, worker) => badge(cell, ...workerState(worker)) },
  {
    id: "reported",
    title: "Reported",
    kind: "number",
    text: (worker) => (worker.report_age_s === null ? "never" : `${worker.report_age_s.toFixed(1)} s ago`),
  },
  { id: "connections", title: "Connections", kind: "number", text: (worker) => count(worker.connections) },
  { id: "udp", title: "UDP sessions", kind: "number low", text: (worker) => count(worker.udp_sessions) },
  { id: "missing", title: "Listeners missing", kind: "number low", text: (worker) => count(worker.listeners_missing) },
  { id: "pid", title: "Pid", kind: "number low", text: (worker) => String(worker.pid) },
];
const WATCHES = [
  { id: "watch", title: "Watch", kind: "name", text: (watch) => watch.what },
  { id: "why", title: "Why", kind: "text", text: (watch) => watch.why || "–" },
  { id: "objects", title: "Objects", kind: "number", text: (watch) => count(watch.objects) },
  {
    id: "state",
    title: "State",
    kind: "state",
    show: (cell, watch) =>
      badge(cell, watch.error ? "out of sync" : "in sync", watch.error ? "bad" : "good", watch.error),
  },
];
const SUBSCRIPTIONS = [
  { id: "service", title: "Service", kind: "name", show: serviceCell },
  { id: "since", title: "Followed for", kind: "number", text: (each) => age(each.since_s) },
  { id: "unused", title: "Last in use", kind: "number", text: (each) => `${age(each.unused_s)} ago` },
  { id: "workers", title: "Workers", kind: "number low", text: (each) => each.workers.join(", ") },
];
const CALLERS = [
  { id: "address", title: "Address", kind: "code", text: (caller) => caller.address },
  {
    id: "workload",
    title: "Workload",
    kind: "name",
    show: (cell, caller) =>
      link(cell, to("map", caller.namespace ? `${caller.workload}.${caller.namespace}` : caller.workload), [
        caller.workload,
      ]),
  },
  { id: "namespace", title: "Namespace", kind: "text", text: (caller) => caller.namespace || "–" },
];
const ROLLOUTS = [
  { id: "service", title: "Service", kind: "name", show: serviceCell },
  { id: "state", title: "State", kind: "text", text: (rollout) => rollout.state },
  { id: "for", title: "For", kind: "number", text: (rollout) => age(rollout.for_s) },
];

function badge(cell, word, kind, why = "") {
  if (!cell.badge) cell.append((cell.badge = h("span", {})), (cell.why = h("span", { class: "why" })));
  setText(cell.badge, word);
  cell.badge.className = `badge ${kind}`;
  setText(cell.why, why);
}

function workerState({ connected, report_age_s, listeners_missing }) {
  if (!connected) return ["being replaced", "bad"];
  if (report_age_s !== null && report_age_s > LATE_S)
    return ["late", "warn", "it has not reported for some seconds: it is busy or stuck"];
  return listeners_missing
    ? ["connected", "warn", "some addresses without a listener: its log has the reason"]
    : ["connected", "good"];
}

export function show(main, _, life) {
  const facts = h("p", { class: "facts" });
  const notes = h("div", { class: "notes" });
  const body = h("div", { class: "sections", hidden: true });
  const nothing = h("div", { class: "nothing" }, empty("Waiting for the node"));
  const tables = [
    group("Workers", WORKERS, (worker) => worker.number, "workers", ""),
    group(
      "What it watches, and why",
      WATCHES,
      (watch) => `${watch.what}|${watch.why}`,
      "watches",
      "A folder is not watched by kind: it is read whole when a file changes.",
    ),
    group(
      "Rollouts",
      ROLLOUTS,
      (rollout) => rollout.service,
      "rollouts",
      "No changed policy table is on trial. The policy rollout puts changes in force step by step.",
    ),
    group(
      "Services whose endpoints it follows",
      SUBSCRIPTIONS,
      (each) => each.service,
      "subscriptions",
      "None by demand: in a cluster a node follows the endpoints of the services that its pods call; of a folder it has them all.",
    ),
    group(
      "Callers on this node",
      CALLERS,
      (caller) => caller.address,
      "callers",
      "No pods of this node are known, as of a folder: whatever calls counts as node.",
    ),
  ];
  body.append(...tables.map((table) => table.element));
  main.append(
    h(
      "div",
      { class: "view" },
      h("div", { class: "top" }, h("h1", { tabindex: "-1" }, "Node")),
      facts,
      notes,
      nothing,
      body,
    ),
  );

  poll("api/node", {
    what: "node",
    life,
    every_s: EVERY_S,
    answered: (node) => {
      nothing.hidden = true;
      body.hidden = false;
      setText(
        facts,
        [
          node.node,
          `nodeproxy ${node.build}, Python ${node.python}`,
          many(node.services, "service"),
          node.unsubscribed ? `${count(node.unsubscribed)} of them not followed: no pod here calls them` : "",
          node.table_age_s === null ? "no table yet" : `the table was confirmed ${node.table_age_s.toFixed(1)} s ago`,
        ]
          .filter(Boolean)
          .join(" · "),
      );
      const warnings = [
        node.restored &&
          "The services are the last good state on disk: the source has not been in sync since the start. The watches below have the reason.",
        node.silent.length > 0 &&
          `Workers ${node.silent.join(", ")} did not answer in time: what they follow is missing here.`,
      ].filter(Boolean);
      notes.replaceChildren(...warnings.map((text) => h("p", { class: "note warn" }, text)));
      for (const table of tables) table.show(node);
    },
    failed: ({ message }) => body.hidden && nothing.replaceChildren(empty("The node has no answer", sentence(message))),
  });
}

function group(title, columns, keyOf, field, none) {
  const table = smallTable(title, columns, keyOf);
  const text = h("p", { class: "faint", hidden: true }, none);
  return {
    element: section(title, table, text),
    show(node) {
      table.hidden = !node[field].length;
      text.hidden = Boolean(node[field].length);
      table.show(node[field]);
    },
  };
}
