/** The columns of the table of calls: the map for those who read it. */

import { to } from "./addresses.js";
import { serviceName, setText } from "./elements.js";
import { duration, rate, share } from "./format.js";
import { link } from "./rows.js";

export const COLUMNS = [
  {
    id: "to",
    title: "Service",
    kind: "name",
    sort: (call) => call.to,
    show: (cell, call) => link(cell, to("service", call.to), serviceName(call.to)),
  },
  {
    id: "from",
    title: "Called by",
    kind: "name",
    sort: (call) => call.from,
    show: (cell, call) => link(cell, to("map", call.source), serviceName(call.source)),
  },
  { id: "port", title: "Port", kind: "number low", sort: (call) => Number(call.port), text: (call) => call.port },
  {
    id: "requests",
    title: "Requests/s",
    kind: "number",
    down: true,
    sort: (call) => call.requests_per_s,
    text: (call) => rate(call.requests_per_s),
  },
  {
    id: "errors",
    title: "Errors",
    kind: "number",
    down: true,
    sort: (call) => call.errors_per_s,
    show: (cell, call) => {
      setText(cell, share(call.errors_per_s, call.requests_per_s) || "0");
      cell.classList.toggle("bad", call.errors_per_s > 0);
    },
  },
  {
    id: "p99",
    title: "p99",
    kind: "number",
    down: true,
    sort: (call) => call.p99_s,
    text: (call) => duration(call.p99_s),
  },
];
