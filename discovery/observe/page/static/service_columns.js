/** The columns of the table of services. */

import { to } from "./addresses.js";
import { h, serviceName, setText } from "./elements.js";
import { count, duration, rate, share } from "./format.js";
import { link } from "./rows.js";
import { sparkline } from "./sparkline.js";

export const COLUMNS = [
  { id: "service", title: "Service", kind: "name", sort: (port) => port.key, show: showName },
  withLine({
    id: "requests",
    title: "Requests/s",
    down: true,
    sort: (port) => port.requests_per_s,
    number: (port) => rate(port.requests_per_s),
  }),
  withLine({
    id: "errors",
    title: "Errors",
    help: "Responses of 500 and above, of all requests",
    down: true,
    sort: (port) => port.errors_per_s,
    number: (port) => (port.requests_per_s ? share(port.errors_per_s, port.requests_per_s) || "0" : "–"),
  }),
  {
    id: "p50",
    title: "p50",
    kind: "number low",
    down: true,
    sort: (port) => port.p50_s,
    text: (port) => duration(port.p50_s),
  },
  withLine({ id: "p99", title: "p99", down: true, sort: (port) => port.p99_s, number: (port) => duration(port.p99_s) }),
  {
    id: "retries",
    title: "Retries/s",
    kind: "number low",
    down: true,
    sort: (port) => port.retries_per_s,
    text: (port) => rate(port.retries_per_s),
  },
  {
    id: "active",
    title: "Active",
    help: "Requests now, or connections that carry no HTTP",
    kind: "number low",
    down: true,
    sort: (port) => port.active + (port.connections ?? 0),
    text: (port) => count(port.active + (port.connections ?? 0)),
  },
  {
    id: "endpoints",
    title: "Endpoints",
    help: "That can be chosen, of all",
    kind: "number endpoints",
    sort: (port) => port.usable - port.endpoints,
    show: showEndpoints,
  },
];

function withLine({ id, number, ...column }) {
  return {
    ...column,
    id,
    kind: `signal ${id}`,
    make(cell) {
      cell.line = sparkline(id);
      cell.number = h("span", { class: "value" });
      cell.append(cell.line, cell.number);
    },
    show(cell, port) {
      setText(cell.number, number(port));
      cell.line.show(port.history[id].values);
      cell.classList.toggle("bad", id === "errors" && port.errors_per_s > 0);
      cell.classList.toggle("idle", !port.requests_per_s);
    },
  };
}

function showName(cell, port) {
  link(cell, to("service", port.name), [...serviceName(port.name)]);
  if (!cell.rest) cell.append((cell.rest = h("span", { class: "rest" })));
  setText(cell.rest, `${port.port} ${port.protocol}`);
}

function showEndpoints(cell, port) {
  const whole = port.usable >= port.endpoints;
  setText(
    cell,
    !port.subscribed ? "not followed" : whole ? count(port.endpoints) : `${port.usable} of ${port.endpoints}`,
  );
  cell.classList.toggle("warn", port.subscribed && (!whole || port.endpoints === 0));
  cell.classList.toggle("idle", !port.subscribed);
}
