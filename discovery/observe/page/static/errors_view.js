/** Requests that failed, why in plain words, and what to do. */

import { to } from "./addresses.js";
import { empty, h, serviceName, setText } from "./elements.js";
import { filterField } from "./filter.js";
import { clock, count, many } from "./format.js";
import { say } from "./say.js";
import { follow } from "./sources.js";

const SHOWN_MOST = 200; // as many as the node keeps

export function show(main, { query }, life) {
  let [all, text] = [[], (query.get("q") ?? "").toLowerCase()];
  let [arrived, drawing, whole, missed] = [false, false, true, 0];
  const list = h("ol", { class: "failures" });
  const groups = h("ul", { class: "groups", "aria-label": "Errors by reason" });
  const shown = h("p", { class: "shown" });
  const filter = filterField("Filter errors", query.get("q") ?? "", (now) => {
    text = now.toLowerCase();
    draw();
    say(shown.textContent);
  });
  main.append(
    h(
      "div",
      { class: "view" },
      h(
        "div",
        { class: "top" },
        h("h1", { tabindex: "-1" }, "Errors"),
        h("p", { class: "links" }, h("a", { href: to("reasons") }, "All reasons")),
      ),
      h("div", { class: "controls" }, filter, shown),
      groups,
      list,
    ),
  );

  function draw() {
    drawing = false;
    const words = text.split(/\s+/).filter(Boolean);
    const some = all.filter((error) => words.every((word) => searched(error).includes(word)));
    const number =
      some.length === all.length ? many(all.length, "error") : `${count(some.length)} of ${many(all.length, "error")}`;
    setText(shown, missed ? `${number}; ${count(missed)} more came faster than they are recorded` : number);
    groups.replaceChildren(
      ...byReason(some).map(([reason, number]) =>
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", onclick: () => pick(reason) },
            reason,
            h("span", { class: "faint" }, ` ${number}`),
          ),
        ),
      ),
    );
    if (some.length) list.replaceChildren(...some.map(entry));
    else
      list.replaceChildren(
        h(
          "li",
          { class: "bare" },
          !arrived
            ? empty("Waiting for the node")
            : all.length
              ? empty("No error matches", "The filter looks at service, reason, caller, path and endpoint.")
              : empty(
                  "No errors",
                  "Failed requests appear here as they end, the newest first, with the reason and what to do about it.",
                ),
        ),
      );
  }

  function pick(reason) {
    filter.value = filter.value === reason ? "" : reason;
    text = filter.value;
    draw();
  }

  // Many may come at once: they are drawn together, with the next picture.
  function take(errors, whole) {
    all = (whole ? errors : [...errors, ...all]).slice(0, SHOWN_MOST);
    arrived = true;
    if (!drawing) requestAnimationFrame(draw);
    drawing = true;
  }

  draw();
  follow("api/errors?stream=1", {
    what: "errors",
    life,
    onopen: () => {
      whole = true;
    },
    events: {
      errors: ({ errors, left_out }) => {
        missed = left_out;
        take(errors, whole);
        whole = false; // the first event has all that the node keeps, each further one what is new
      },
    },
  });
}

function searched({ service, reason, status, caller, method, path, endpoint, words }) {
  return `${service} ${reason} ${status} ${caller} ${method} ${path} ${endpoint} ${words}`.toLowerCase();
}

function byReason(errors) {
  const found = new Map();
  for (const { reason, status } of errors)
    found.set(reason || String(status), (found.get(reason || String(status)) ?? 0) + 1);
  return [...found].sort((one, other) => other[1] - one[1]);
}

/** One error. Paths, hosts and callers are a client's own words: they are shown as text, and wrapped. */
export function entry(error) {
  const { time, service, port, status, reason, words, caller, method, path, attempts, endpoint } = error;
  return h(
    "li",
    { class: "error" },
    h(
      "p",
      { class: "error-head" },
      h("time", { datetime: new Date(time * 1000).toISOString() }, clock(time)),
      h("span", { class: "status bad" }, String(status || "–")),
      service
        ? h(
            "span",
            {},
            h("a", { href: to("service", service) }, ...serviceName(service)),
            h("span", { class: "faint" }, `:${port}`),
          )
        : h("span", { class: "faint" }, "no service"),
      h("span", { class: "request" }, `${method} ${path}`),
    ),
    h(
      "p",
      { class: "error-words" },
      words || `The endpoint itself answered ${status}.`,
      " ",
      reason ? h("a", { class: "reason", href: to("reasons", reason.split(":")[0]) }, reason) : null,
    ),
    h(
      "p",
      { class: "error-rest faint" },
      [
        caller && `from ${caller.replace(/^\//, "")}`,
        attempts > 1 && `${attempts} attempts`,
        endpoint && `at ${endpoint}`,
      ]
        .filter(Boolean)
        .join(" · "),
    ),
  );
}
