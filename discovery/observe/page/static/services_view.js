/** All services of the node with their golden signals: what is asked of them, what fails, how long it takes. */

import { replace, to } from "./addresses.js";
import { empty, h, setText } from "./elements.js";
import { filterField } from "./filter.js";
import { count, many } from "./format.js";
import { LongTable } from "./long_table.js";
import { say } from "./say.js";
import { COLUMNS } from "./service_columns.js";
import { heading, onRates, ports } from "./service_rates.js";
import { totals } from "./totals.js";

const KINDS = [
  ["", "All"],
  ["failing", "Failing"],
  ["called", "Called"],
];

export function show(main, { query }, life) {
  const state = {
    text: query.get("q") ?? "",
    kind: query.get("show") ?? "",
    sort: query.get("sort") ?? "requests",
    down: query.get("down") !== "no",
  };
  const sort = COLUMNS.some((column) => column.id === state.sort) ? state.sort : "requests";
  const summary = totals();
  const shown = h("p", { class: "shown" });
  const nothing = h("div", { class: "nothing", hidden: true });
  const table = new LongTable({
    label: "Services",
    columns: COLUMNS,
    sort: { id: sort, down: state.down },
    sorted: keep,
  });
  const filter = filterField("Filter services", state.text, (text) => {
    state.text = text;
    choose(true);
  });
  const kinds = h(
    "div",
    { class: "choice", role: "group", "aria-label": "Which services" },
    KINDS.map(([kind, title]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(kind === state.kind),
          onclick: (event) => pick(kind, event.currentTarget),
        },
        title,
      ),
    ),
  );
  main.append(
    h(
      "div",
      { class: "view fixed" },
      h("div", { class: "top" }, h("h1", { tabindex: "-1" }, "Services"), summary.element),
      h("div", { class: "controls" }, filter, kinds, shown),
      table.element,
      nothing,
    ),
  );
  life.addEventListener("abort", () => table.end());

  function keep() {
    replace(
      to("services", "", {
        q: state.text,
        show: state.kind,
        sort: table.sort.id === "requests" ? "" : table.sort.id,
        down: table.sort.down ? "" : "no",
      }),
    );
  }

  function pick(kind, button) {
    state.kind = kind;
    for (const each of kinds.children) each.setAttribute("aria-pressed", String(each === button));
    choose(true);
  }

  function choose(announced) {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const all = [...ports.values()];
    const some = all.filter(
      (port) =>
        words.every((word) => port.searched.includes(word)) &&
        (state.kind === "" || (state.kind === "failing" ? port.failing : port.requests_per_s > 0 || port.active > 0)),
    );
    table.show(some);
    const text =
      some.length === all.length ? many(all.length, "port") : `${count(some.length)} of ${many(all.length, "port")}`;
    setText(shown, heading.hidden ? `${text}, ${count(heading.hidden)} more not listed` : text);
    table.element.hidden = !some.length;
    nothing.hidden = Boolean(some.length);
    if (!some.length) nothing.replaceChildren(advice(all.length, state));
    if (announced) {
      say(text);
      keep();
    }
  }

  onRates(({ whole }) => {
    summary.show(ports.values());
    if (whole || state.kind) choose(false);
    else table.refresh();
  }, life);
}

function advice(all, { text, kind }) {
  if (!all) {
    return empty(
      "This node has no services yet",
      "Apply a Service to the cluster, or put one into the folder that the node reads. ",
      h("code", {}, "nodeproxy status"),
      " says what the node watches.",
    );
  }
  if (text)
    return empty(
      "No service matches",
      "The filter looks at name, port, protocol and address. Press Escape in the field to clear it.",
    );
  return kind === "failing"
    ? empty("Nothing fails", "No service has errors or endpoints that cannot be chosen.")
    : empty(
        "Nothing is called now",
        "Requests appear here a second after their end. Call a service by its name: ",
        h("code", {}, "curl http://web.shop.mesh/"),
      );
}
