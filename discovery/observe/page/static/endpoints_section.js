/** The endpoints of a service: which can be chosen, and why not the others. */

import { h, section, setText } from "./elements.js";
import { age, count, duration, many } from "./format.js";
import { smallTable } from "./small_table.js";

const FULL_WEIGHT = 0.995; // shown as its whole share
/** What outlierDetection says of an ejection, in words. */
const EJECTED_FOR = {
  "consecutive-5xx": "too many responses of 500 and above in a row",
  "consecutive-gateway-errors": "too many responses of 502, 503 or 504 in a row",
  "local-origin": "too many failed connections in a row",
  "success-rate": "it fails more than the others",
  "failure-percentage": "too large a share of its responses are failures",
};
const COLUMNS = [
  { id: "endpoint", title: "Endpoint", kind: "code", text: (endpoint) => endpoint.address },
  { id: "state", title: "State", kind: "state", show: showState },
  { id: "active", title: "Active", kind: "number", text: (endpoint) => count(endpoint.active) },
  {
    id: "errors",
    title: "Errors in a row",
    kind: "number low",
    help: "The most of any worker",
    text: (endpoint) => count(Math.max(0, ...endpoint.workers.map((worker) => worker.errors))),
  },
  {
    id: "latency",
    title: "Latency",
    optional: true,
    kind: "number low",
    help: "As the balancer sees it",
    text: (endpoint) => duration(latency(endpoint)),
  },
  {
    id: "idle",
    title: "Idle",
    kind: "number low",
    help: "Connections kept for later requests",
    text: (endpoint) => count(endpoint.idle),
  },
  {
    id: "place",
    title: "Node, zone",
    optional: true,
    kind: "low",
    text: (endpoint) => [endpoint.node, endpoint.zone].filter(Boolean).join(", ") || "–",
  },
  {
    id: "subsets",
    title: "Subsets",
    optional: true,
    kind: "low",
    text: (endpoint) => endpoint.subsets.join("; ") || "–",
  },
];

export function endpointsOf() {
  const body = h("div");
  const element = section("Endpoints", body);
  const tables = new Map();

  function show(view) {
    for (const port of view.ports) {
      if (!tables.has(port.port)) tables.set(port.port, portTable(port.port, body));
      tables.get(port.port)(port, view);
    }
    if (!view.ports.length)
      setText(
        body,
        view.subscribed
          ? "It has no port that the mesh serves."
          : "They are not followed: no pod of this node calls the service.",
      );
  }

  return { element, show };
}

function portTable(name, body) {
  const summary = h("p", { class: "summary" });
  const table = smallTable(`Endpoints of port ${name}`, COLUMNS, (endpoint) => endpoint.address);
  body.append(summary, table);
  return (port, view) => {
    const usable = port.endpoints.filter((endpoint) => endpoint.usable).length;
    const numbers = `Port ${port.port}: ${usable} of ${many(port.endpoints.length + port.left_out, "endpoint")} can be chosen, ${many(port.requests, "request")} so far`;
    const left_out = port.left_out ? `; ${count(port.left_out)} are not listed` : "";
    const silent = view.silent.length ? `; workers ${view.silent.join(", ")} did not answer in time` : "";
    setText(summary, `${numbers}${left_out}${silent}${port.note ? `. ${port.note}` : ""}`);
    table.hidden = !port.endpoints.length;
    table.show(port.endpoints);
  };
}

function latency(endpoint) {
  const known = endpoint.workers
    .map((worker) => worker.latency_s)
    .filter((value) => value !== null && value !== undefined);
  return known.length ? Math.max(...known) : null;
}

function showState(cell, endpoint) {
  if (!cell.badge) cell.append((cell.badge = h("span", { class: "badge" })), (cell.why = h("span", { class: "why" })));
  const { word, kind, why } = stateOf(endpoint);
  setText(cell.badge, word);
  cell.badge.className = `badge ${kind}`;
  setText(cell.why, why);
}

/** The worst of its workers, in words. */
export function stateOf(endpoint) {
  const ejected = endpoint.workers.filter((worker) => worker.ejected_s > 0);
  const sick = endpoint.workers.filter((worker) => worker.unhealthy);
  const before = Math.max(0, ...endpoint.workers.map((worker) => worker.ejections));
  const history = before ? `ejected ${before === 1 ? "once" : `${before} times`} so far` : "";
  if (ejected.length) {
    const longest = ejected.reduce((one, other) => (other.ejected_s > one.ejected_s ? other : one));
    const where =
      ejected.length < endpoint.workers.length ? `in ${ejected.length} of ${endpoint.workers.length} workers` : "";
    return {
      word: "ejected",
      kind: "bad",
      why: [`for ${age(longest.ejected_s)} more`, EJECTED_FOR[longest.why] ?? longest.why, where]
        .filter(Boolean)
        .join(", "),
    };
  }
  if (sick.length) return { word: "unhealthy", kind: "bad", why: "its health probes fail" };
  if (!endpoint.usable) return { word: "not chosen", kind: "warn", why: history };
  const weight = Math.min(1, ...endpoint.workers.map((worker) => worker.weight ?? 1));
  if (weight < FULL_WEIGHT)
    return {
      word: "warming up",
      kind: "warn",
      why: [`${Math.round(weight * 100)}% of its share`, history].filter(Boolean).join(", "),
    };
  return { word: "usable", kind: "good", why: history };
}
