/** The golden signals of one port over the last minutes. */

import { h, setText } from "./elements.js";
import { count, duration, rate, share } from "./format.js";
import { sparkline } from "./sparkline.js";

const SIGNALS = [
  [
    "Requests/s",
    "requests",
    (port) => rate(port.requests_per_s),
    (port) => (port.retries_per_s ? `${rate(port.retries_per_s)} retries/s` : ""),
  ],
  [
    "Errors",
    "errors",
    (port) => share(port.errors_per_s, port.requests_per_s) || "0",
    (port) => (port.errors_per_s ? `${rate(port.errors_per_s)} a second` : ""),
  ],
  ["p99", "p99", (port) => duration(port.p99_s), (port) => (port.p50_s === null ? "" : `p50 ${duration(port.p50_s)}`)],
];

export function signals() {
  const name = h("h2", { class: "port" });
  const cards = SIGNALS.map(([title, key, value, more]) => {
    const [line, number, rest] = [sparkline(key), h("strong"), h("span", { class: "faint" })];
    const element = h(
      "div",
      { class: `chart ${key}` },
      h("p", {}, h("span", { class: "chart-title" }, title), number, rest),
      line,
    );
    return {
      element,
      show(port) {
        setText(number, value(port));
        setText(rest, more(port));
        element.classList.toggle("bad", key === "errors" && port.errors_per_s > 0);
        line.show(port.history[key].values);
      },
    };
  });
  const element = h(
    "section",
    { class: "signals" },
    name,
    h(
      "div",
      { class: "chart-row" },
      cards.map((card) => card.element),
    ),
  );
  return {
    element,
    show(port) {
      setText(name, `Port ${port.port}, ${port.protocol}: ${count(port.active)} active now`);
      for (const card of cards) card.show(port);
    },
  };
}
