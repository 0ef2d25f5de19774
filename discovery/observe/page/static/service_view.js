/** One service: its signals, its endpoints and why some are not chosen, its policies and where each is written, its routes. */

import { to } from "./addresses.js";
import { empty, h, section, serviceName, setText } from "./elements.js";
import { entry } from "./errors_view.js";
import { endpointsOf } from "./endpoints_section.js";
import { policiesOf } from "./policies_section.js";
import { sentence } from "./format.js";
import { routesOf } from "./routes_section.js";
import { signals } from "./signals.js";
import { onRates, portsOf } from "./service_rates.js";
import { poll } from "./sources.js";

const EVERY_S = 3;
const ERRORS_MOST = 10;

export function show(main, { name }, life) {
  const facts = h("p", { class: "facts" });
  const notes = h("div", { class: "notes" });
  const charts = h("div", { class: "charts" });
  const body = h("div", { class: "sections" });
  const [endpoints, policies, routes] = [endpointsOf(), policiesOf(), routesOf()];
  const errors = h("ol", { class: "failures" });
  const failed = section("Recent errors", errors);
  const nothing = h("div", { class: "nothing", hidden: true });
  body.append(endpoints.element, routes.element, failed, policies.element);
  body.hidden = true;
  main.append(
    h(
      "div",
      { class: "view" },
      h(
        "div",
        { class: "top" },
        h("h1", { tabindex: "-1" }, ...serviceName(name)),
        h(
          "p",
          { class: "links" },
          h("a", { href: to("tap", "", { service: name }) }, "Tap its requests"),
          h("a", { href: to("map", name) }, "Map"),
        ),
      ),
      facts,
      notes,
      charts,
      nothing,
      body,
    ),
  );

  const drawn = new Map();
  onRates(() => {
    for (const port of portsOf(name)) {
      if (!drawn.has(port.key)) {
        drawn.set(port.key, signals());
        charts.append(drawn.get(port.key).element);
      }
      drawn.get(port.key).show(port);
    }
  }, life);

  function answered({ endpoints: endpoints_now, endpoints_error, explained, routes: routes_now, rollout }) {
    nothing.hidden = true;
    body.hidden = false;
    setText(
      facts,
      [
        explained.virtual_address || "no virtual address",
        ...explained.ports.map(
          (port) => `${port.port} ${port.protocol}${port.where ? `, ${port.where}` : ", not served"}`,
        ),
        explained.subscription,
      ]
        .filter(Boolean)
        .join(" · "),
    );
    const warnings = [
      endpoints_error,
      ...explained.problems,
      ...explained.ports.map((port) => port.note && `Port ${port.port}: ${port.note}`),
      ...explained.refused.map(
        (each) => `${each.configmap}: ${each.problem}${each.instead ? `; instead: ${each.instead}` : ""}`,
      ),
    ].filter(Boolean);
    const shown = warnings.join("\n");
    if (notes.dataset.shown !== shown) {
      notes.dataset.shown = shown;
      notes.replaceChildren(...warnings.map((text) => h("p", { class: "note warn" }, text)));
    }
    if (endpoints_now) endpoints.show(endpoints_now);
    policies.show(explained);
    routes.show(routes_now, rollout?.state || explained.rollout);
  }

  poll(`api/service?service=${encodeURIComponent(name)}`, {
    what: name,
    life,
    every_s: EVERY_S,
    answered,
    failed: ({ message, status }) => {
      const missing = status >= 400 && status < 500;
      if (!body.hidden && !missing) return; // what is shown stays, marked as stale
      body.hidden = true;
      nothing.hidden = false;
      nothing.replaceChildren(
        empty(
          missing ? `No service ${name}` : "The node has no answer",
          sentence(message),
          " ",
          h("a", { href: to("services") }, "All services"),
        ),
      );
    },
  });

  poll("api/errors", {
    what: "errors",
    life,
    every_s: EVERY_S,
    answered: ({ errors: all }) => {
      const some = all.filter((error) => error.service === name).slice(0, ERRORS_MOST);
      const shown = JSON.stringify(some);
      if (errors.dataset.shown === shown) return;
      errors.dataset.shown = shown;
      errors.replaceChildren(
        ...(some.length
          ? some.map(entry)
          : [h("li", { class: "bare faint" }, "None of the node's last errors is of this service.")]),
      );
    },
  });
}
