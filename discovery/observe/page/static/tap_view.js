/** Single requests as they end, with the timing of each attempt. */

import { replace, to } from "./addresses.js";
import { empty, h, setText } from "./elements.js";
import { count, many, sentence } from "./format.js";
import { say } from "./say.js";
import { onRates, serviceNames } from "./service_rates.js";
import { follow } from "./sources.js";
import { tapped } from "./tapped.js";

const SHOWN_MOST = 200;
const FIELDS = [
  ["service", "Service", "reviews.shop"],
  ["path", "Path begins with", "/api"],
  ["method", "Method", "GET"],
  ["status", "Status", "5xx"],
  ["from", "From", "shop/cart"],
  ["slower-than", "Slower than", "100ms"],
];

export function show(main, { query }, life) {
  let [tap, paused, held, number, left_out] = [null, false, [], 0, 0];
  const inputs = new Map(FIELDS.map(([name, , example]) => [name, input(name, example, query.get(name) ?? "")]));
  const names = h("datalist", { id: "tap-services" });
  const state = h("p", { class: "shown" }, "");
  const list = h("ol", { class: "tapped" });
  const [start, pause, clear] = [
    h("button", { class: "main" }, "Start"),
    button("Pause", togglePause),
    button("Clear", cleared),
  ];
  pause.dataset.pause = "";
  const form = h(
    "form",
    {
      class: "tap-form",
      onsubmit: (event) => {
        event.preventDefault();
        if (tap) stop("Stopped.");
        else begin();
      },
    },
    FIELDS.map(([name, title]) => h("label", {}, h("span", {}, title), inputs.get(name))),
    h("div", { class: "buttons" }, start, pause, clear),
    names,
  );
  main.append(
    h(
      "div",
      { class: "view" },
      h("div", { class: "top" }, h("h1", { tabindex: "-1" }, "Tap"), state),
      form,
      legend(),
      list,
    ),
  );

  function button(title, pressed) {
    return h("button", { type: "button", onclick: pressed }, title);
  }

  function begin() {
    const service = inputs.get("service").value.trim();
    if (!service) return inputs.get("service").focus();
    cleared();
    const filled = Object.fromEntries(
      [...inputs].map(([name, field]) => [name, field.value.trim()]).filter(([, value]) => value),
    );
    replace(to("tap", "", filled));
    tap = new AbortController();
    life.addEventListener("abort", () => tap?.abort());
    follow(`api/tap?${new URLSearchParams(filled)}`, {
      what: "tap",
      life: tap.signal,
      events: { line: taken, end: ended },
      onrefused: (reason) => stop(sentence(reason)),
    });
    setText(state, "starting");
    buttons();
  }

  function stop(sentence) {
    tap?.abort();
    tap = null;
    paused = false;
    setText(state, sentence);
    say(sentence);
    buttons();
  }

  function ended(event) {
    stop(`Ended: ${typeof event === "string" ? event : (event?.why ?? event?.reason ?? "by the node")}`);
  }

  function taken(line) {
    if (line.type === "end") return ended(line);
    if (line.type === "left-out") left_out = line.left_out;
    if (line.type === "request") {
      number += 1;
      held.unshift(line);
      held.length = Math.min(held.length, SHOWN_MOST);
      if (held.length === 1) requestAnimationFrame(draw);
    }
    tell();
  }

  function tell() {
    const missed = left_out ? `, ${count(left_out)} left out` : "";
    setText(
      state,
      paused ? `paused, ${many(held.length, "request")} held${missed}` : `${many(number, "request")}${missed}`,
    );
  }

  function draw() {
    if (paused || !held.length) return;
    list.querySelector(".bare")?.remove();
    list.prepend(...held.map(tapped));
    held = [];
    while (list.childElementCount > SHOWN_MOST) list.lastElementChild.remove();
    tell();
  }

  function togglePause() {
    paused = !paused;
    buttons();
    tell();
    say(paused ? "Paused" : "Going on");
    draw();
  }

  function cleared() {
    [held, number, left_out] = [[], 0, 0];
    list.replaceChildren(
      h(
        "li",
        { class: "bare" },
        tap
          ? empty(
              "Waiting for a request",
              "Each is shown when it has ended. A request that no filter fits is not shown.",
            )
          : empty(
              "See single requests",
              "Choose a service and start. A tap ends by itself after ten minutes; it costs the requests that it shows a few microseconds.",
            ),
      ),
    );
  }

  function buttons() {
    start.textContent = tap ? "Stop" : "Start";
    pause.textContent = paused ? "Go on" : "Pause";
    pause.disabled = !tap;
    if (tap)
      list.querySelector(".bare")?.replaceChildren(empty("Waiting for a request", "Each is shown when it has ended."));
  }

  onRates(
    ({ whole }) => whole && names.replaceChildren(...serviceNames().map((name) => h("option", { value: name }))),
    life,
  );
  cleared();
  buttons();
  if (query.get("service")) begin();
}

/** What the bars mean. */
function legend() {
  const entry = (kind, words) => h("span", {}, h("span", { class: `key ${kind}`, "aria-hidden": "true" }), words);
  return h(
    "p",
    { class: "legend" },
    "Each attempt: ",
    entry("key-waiting", "until the first byte"),
    entry("key-receiving", "until the last"),
    entry("key-failed", "failed"),
  );
}

function input(name, example, value) {
  const field = h("input", {
    name,
    placeholder: example,
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "200",
    list: name === "service" ? "tap-services" : null,
    "data-filter": name === "service" ? true : null,
  });
  field.value = value;
  return field;
}
