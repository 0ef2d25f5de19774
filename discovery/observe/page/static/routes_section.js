/** The route rules of a service, how its requests are split, and how far a canary or a changed table has come. */

import { h, section, setText } from "./elements.js";
import { count, many, rate } from "./format.js";

export function routesOf() {
  const rollout = h("p", { class: "note" });
  const body = h("div");
  const element = section("Routes", rollout, body);
  let shown = "";

  function show(view, state) {
    rollout.hidden = !state;
    setText(rollout, state ? `Rollout of a changed table: ${state}` : "");
    const ports = (view?.ports ?? []).filter((port) => port.rules.length || port.otherwise.length);
    const now = JSON.stringify(ports);
    if (now === shown && body.firstChild) return;
    shown = now;
    if (ports.length) body.replaceChildren(...ports.map(portRules));
    else
      body.replaceChildren(
        h(
          "p",
          { class: "faint" },
          "No rules: every request goes to the service itself. ",
          h("code", {}, "nodeproxy policies routes"),
          " has an example.",
        ),
      );
  }

  return { element, show };
}

function portRules(port) {
  const matched = port.rules.reduce((sum, rule) => sum + rule.matched, 0);
  const rules = port.rules.map((rule) => oneRule(rule, port));
  const rest = h(
    "li",
    { class: "rule" },
    h(
      "p",
      { class: "rule-head" },
      h("strong", {}, "otherwise"),
      h("span", { class: "faint" }, port.rules.length ? "no rule matches" : "every request"),
      h("span", { class: "value" }, count(Math.max(port.requests - matched, 0))),
    ),
    port.otherwise.length ? split(port.otherwise) : h("p", { class: "faint" }, "to the service itself"),
  );
  const mode = port.mode === "shadow" ? "; the rules are only counted, not obeyed (shadow)" : "";
  return h(
    "div",
    {},
    h(
      "p",
      { class: "summary" },
      `Port ${port.port}: ${many(port.requests, "request")} so far${mode}. The first rule that matches decides.`,
    ),
    h("ol", { class: "rules" }, rules, rest),
  );
}

function oneRule(rule, port) {
  return h(
    "li",
    { class: "rule" },
    h(
      "p",
      { class: "rule-head" },
      h("strong", {}, rule.rule),
      h("span", { class: "code" }, rule.match.join(" or ") || "every request"),
      h("span", { class: "value" }, count(rule.matched)),
    ),
    rule.targets.length ? split(rule.targets) : null,
    rule.canary ? canary(rule.canary, port) : null,
    rule.actions.length ? h("p", { class: "faint" }, rule.actions.join(" · ")) : null,
  );
}

/** A bar of the shares as written, and what was chosen so far. */
function split(targets) {
  const chosen = targets.reduce((sum, target) => sum + target.chosen, 0);
  const bars = targets.map((target, index) => {
    const part = h("span", { class: `part part-${index % 4}` });
    part.style.flexGrow = target.share;
    return part;
  });
  return h(
    "div",
    { class: "split" },
    h("div", { class: "split-bar", "aria-hidden": "true" }, bars),
    h(
      "ul",
      {},
      targets.map((target, index) =>
        h(
          "li",
          {},
          h("span", { class: `key part-${index % 4}`, "aria-hidden": "true" }),
          h("span", { class: "code" }, target.target),
          h("span", { class: "value" }, `${Math.round(target.share * 100)}%`),
          h(
            "span",
            { class: "faint" },
            chosen ? `${count(target.chosen)} sent, ${Math.round((target.chosen / chosen) * 100)}%` : "none sent yet",
          ),
        ),
      ),
    ),
  );
}

function canary({ target, requests_per_second, scope }, { to_canary, canary_unavailable }) {
  const failed = canary_unavailable ? `, ${count(canary_unavailable)} not sent because it was not available` : "";
  return h(
    "p",
    { class: "note" },
    h("strong", {}, "Canary "),
    h("span", { class: "code" }, target),
    `: at most ${rate(requests_per_second)} requests/s of the ${scope}; ${count(to_canary)} sent so far${failed}`,
  );
}
