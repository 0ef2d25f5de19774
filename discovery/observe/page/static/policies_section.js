/** The policies in force for a service, each field with the place where it is written. */

import { h, section, setText } from "./elements.js";
import { many, yaml } from "./format.js";

const DEFAULT = "built-in default";

export function policiesOf() {
  const summary = h("p", { class: "summary" });
  const all = h("input", { type: "checkbox", onchange: () => draw() });
  const list = h("div", { class: "policies" });
  const element = section("Policies", summary, h("label", { class: "check" }, all, "Built-in defaults too"), list);
  let [view, shown] = [null, ""];

  function show(explained) {
    const now = JSON.stringify([explained.policies, explained.layers]);
    if (now === shown) return; // it changes with a ConfigMap, not each time it is asked for
    shown = now;
    view = explained;
    draw();
  }

  function draw() {
    const policies = view.policies
      .map((policy) => ({
        ...policy,
        fields: policy.fields.filter((field) => all.checked || field.origin !== DEFAULT),
      }))
      .filter((policy) => policy.fields.length);
    const layers = view.layers.map((layer) => `${layer.configmap}, key ${layer.key} (${layer.layer})`);
    setText(
      summary,
      layers.length
        ? `In the order in which they act on a request. Merged from ${layers.join("; ")}: later ones override earlier ones.`
        : "In the order in which they act on a request. No ConfigMap has policies for this service: everything is a built-in default.",
    );
    list.replaceChildren(...policies.map((policy) => one(policy, view)));
    if (!policies.length)
      list.replaceChildren(
        h(
          "p",
          { class: "faint" },
          `All fields of ${many(view.policies.length, "policy").replace("policys", "policies")} are built-in defaults.`,
        ),
      );
  }

  return { element, show };
}

function one(policy, { ports }) {
  const acts =
    policy.ports.length === ports.length
      ? ""
      : policy.ports.length
        ? `on port ${policy.ports.join(", ")}`
        : "on no port";
  const rows = policy.fields.map((field) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "code" }, field.field),
      h("td", { class: "code" }, yaml(field.value)),
      h("td", { class: field.origin === DEFAULT ? "faint" : "" }, origin(field)),
    ),
  );
  return h(
    "div",
    { class: "policy" },
    h("h3", {}, policy.name, acts ? h("span", { class: "faint" }, ` ${acts}`) : null),
    h(
      "table",
      { class: "small fields" },
      h("caption", { class: "unseen" }, `Fields of ${policy.name}`),
      h(
        "thead",
        { class: "unseen" },
        h(
          "tr",
          {},
          ["Field", "Value", "Written in"].map((title) => h("th", { scope: "col" }, title)),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
}

/** Where a field is written, as `nodeproxy explain` says it. */
function origin({ origin: from, key, layer, line, file }) {
  if (!key) return from;
  const word = from.startsWith("Service ") ? "annotation" : "key";
  return `${from}${file ? ` in ${file}` : ""}, ${word} ${key}${line === null || line === undefined ? "" : ` line ${line}`} (${layer})`;
}
