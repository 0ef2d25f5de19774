/** One request of a tap: a line with its attempts as bars; opened, everything that happened in words. */

import { h, svg } from "./elements.js";
import { clock, duration } from "./format.js";

const WIDTH = 200;
const BAR = 6;
const STEP = 8;
const THINNEST = 1.5; // a bar of some microseconds is still seen

export function tapped(request) {
  const answer = `${request.status || "–"}`;
  const bad = request.status === 0 || request.status >= 500 || Boolean(request.reason);
  return h(
    "li",
    {},
    h(
      "details",
      {},
      h(
        "summary",
        {},
        h("time", { datetime: new Date(request.time * 1000).toISOString() }, clock(request.time, true)),
        h("span", { class: `status ${bad ? "bad" : ""}` }, answer),
        h("span", { class: "request" }, `${request.method} ${request.path}`),
        h("span", { class: "from faint" }, from(request)),
        bars(request),
        h("span", { class: "value" }, duration(request.seconds)),
      ),
      words(request),
    ),
  );
}

function from({ source, client }) {
  return source ? source.replace(/^\//, "") : client;
}

/** Waiting for the first byte is faint, receiving is full; the scale is that of the whole request. */
function bars({ attempts, seconds }) {
  const height = Math.max(attempts.length, 1) * STEP;
  const scale = WIDTH / Math.max(seconds, ...attempts.map((attempt) => attempt.ended_s), 1e-6);
  const rows = attempts.map((attempt, index) => {
    const failed = typeof attempt.outcome === "string" || attempt.outcome >= 500;
    const first = attempt.first_byte_s ?? attempt.ended_s;
    const bar = (kind, begin, end) =>
      svg("rect", {
        class: kind,
        x: (begin * scale).toFixed(1),
        y: index * STEP + 1,
        height: BAR,
        width: Math.max((end - begin) * scale, THINNEST).toFixed(1),
        rx: 1,
      });
    return svg(
      "g",
      { class: `attempt ${failed ? "bad" : ""} ${attempt.hedge ? "hedge" : ""}` },
      bar("waiting", attempt.began_s, first),
      attempt.first_byte_s === null ? null : bar("receiving", first, attempt.ended_s),
    );
  });
  return svg(
    "svg",
    { class: "bars", viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, "aria-hidden": "true" },
    rows,
  );
}

function words(request) {
  const happened = [
    ...request.attempts.map((attempt) => [
      attempt.began_s,
      attemptWords(attempt),
      typeof attempt.outcome === "string" || attempt.outcome >= 500,
    ]),
    ...request.decisions.map(({ at_s, policy, outcome, mode }) => [
      at_s,
      `${policy}: ${outcome}${mode === "shadow" ? " (shadow: without effect)" : ""}`,
      false,
    ]),
  ].sort((one, other) => one[0] - other[0]);
  const facts = [
    ["Host", request.host],
    ["To", request.service_port],
    ["Version", request.version],
    ["Client", request.client],
    ["Rule", request.rule],
    ["Reason", request.reason],
    ["gRPC status", request.grpc_status],
    ["Not sent again", request.not_retried],
    ["Trace", request.trace_id],
    ["Left out", request.left_out ? `${request.left_out} more attempts or decisions` : ""],
  ].filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return h(
    "div",
    { class: "tapped-more" },
    h(
      "dl",
      { class: "pairs" },
      facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { class: "code" }, String(value)))),
    ),
    h(
      "ol",
      { class: "happened" },
      happened.map(([at_s, text, bad]) =>
        h(
          "li",
          { class: bad ? "bad" : null },
          h("span", { class: "value" }, `+${duration(at_s)}`),
          h("span", {}, text),
        ),
      ),
    ),
  );
}

function attemptWords({ endpoint, outcome, first_byte_s, ended_s, hedge }) {
  const first = first_byte_s === null ? "no byte came" : `first byte after ${duration(first_byte_s)}`;
  return `${hedge ? "hedge" : "attempt"} at ${endpoint}: ${outcome}, ${first}, ended after ${duration(ended_s)}`;
}
