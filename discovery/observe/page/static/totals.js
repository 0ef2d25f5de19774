/** The node in four numbers. */

import { h, setText } from "./elements.js";
import { count, duration, rate, share } from "./format.js";

export function totals() {
  const tile = (label) => {
    const value = h("dd", {}, "–");
    return [h("div", {}, h("dt", {}, label), value), value];
  };
  const [requests, requests_value] = tile("Requests/s");
  const [errors, errors_value] = tile("Errors");
  const [slowest, slowest_value] = tile("Slowest p99");
  const [down, down_value] = tile("Endpoints out");
  const element = h("dl", { class: "totals" }, requests, errors, slowest, down);

  function show(ports) {
    let [asked, failed, out, worst] = [0, 0, 0, null];
    for (const port of ports) {
      asked += port.requests_per_s;
      failed += port.errors_per_s;
      if (port.subscribed) out += Math.max(port.endpoints - port.usable, 0);
      if (port.p99_s !== null && (worst === null || port.p99_s > worst.p99_s)) worst = port;
    }
    setText(requests_value, rate(asked));
    setText(errors_value, share(failed, asked) || "0");
    errors.classList.toggle("bad", failed > 0);
    setText(slowest_value, worst ? duration(worst.p99_s) : "–");
    slowest.title = worst ? worst.key : "";
    setText(down_value, count(out));
    down.classList.toggle("warn", out > 0);
  }

  return { element, show };
}
