/** What the reasons of errors mean, and what to do: the sentences of the node's own build. */

import { to } from "./addresses.js";
import { empty, h, section } from "./elements.js";
import { sentence } from "./format.js";
import { ask } from "./sources.js";

export function show(main, { name }, life) {
  const view = h(
    "div",
    { class: "view" },
    h(
      "div",
      { class: "top" },
      h("h1", { tabindex: "-1" }, "Reasons"),
      h("p", { class: "links" }, h("a", { href: to("errors") }, "Recent errors")),
    ),
  );
  main.append(view);
  ask("api/words", life).then(
    ({ reasons }) => list(view, reasons, name),
    (error) => life.aborted || view.append(empty("The reasons are not there", sentence(error.message))),
  );
}

function list(view, reasons, name) {
  const entries = Object.entries(reasons)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([reason, sentence]) =>
      h("div", { class: reason === name ? "chosen" : null }, h("dt", {}, h("code", {}, reason)), h("dd", {}, sentence)),
    );
  view.append(
    section(
      "What they mean",
      h(
        "p",
        { class: "faint" },
        "A response that the proxy itself made has one of them in its header ",
        h("code", {}, "x-mesh-error"),
        ". The documentation has a section on each: ",
        h("code", {}, `docs/troubleshooting.md#${name || "<reason>"}`),
        ".",
      ),
      h("dl", { class: "reasons" }, entries),
    ),
  );
  view.querySelector(".chosen")?.scrollIntoView({ block: "center" });
}
