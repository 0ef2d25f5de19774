/** The page: which view the address means, and what is the same for all of them. */

import { parsed, to } from "./addresses.js";
import { h, setText } from "./elements.js";
import { watchFreshness } from "./freshness.js";
import { followRates } from "./service_rates.js";
import { listenForKeys } from "./keys.js";
import { poll } from "./sources.js";
import * as cluster from "./cluster_view.js";
import * as errors from "./errors_view.js";
import * as map from "./map_view.js";
import * as node from "./node_view.js";
import * as reasons from "./reasons_view.js";
import * as service from "./service_view.js";
import * as services from "./services_view.js";
import * as tap from "./tap_view.js";

const VIEWS = { services, service, map, errors, reasons, tap, node, cluster };
const TABS = [
  ["services", "Services"],
  ["map", "Map"],
  ["errors", "Errors"],
  ["tap", "Tap"],
  ["node", "Node"],
  ["cluster", "Cluster"],
];
const TAB_OF = { service: "services", reasons: "errors" };

const main = document.getElementById("main");
let life = new AbortController();
let first = true;

function show() {
  const address = parsed(location.hash);
  if (address === null) return;
  const view = Object.hasOwn(VIEWS, address.view) ? VIEWS[address.view] : services;
  life.abort();
  life = new AbortController();
  main.replaceChildren();
  main.scrollTop = 0;
  view.show(main, address, life.signal);
  const heading = main.querySelector("h1");
  document.title = `${heading?.textContent ?? "nodeproxy"} – nodeproxy`;
  for (const tab of document.getElementById("tabs").children) {
    if (tab.dataset.view === (TAB_OF[address.view] ?? address.view)) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (!first) heading?.focus({ preventScroll: true }); // as after loading a page: a screen reader says where it is
  first = false;
}

document
  .getElementById("tabs")
  .append(...TABS.map(([view, title]) => h("a", { href: to(view), "data-view": view }, title)));
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", show);
listenForKeys();
followRates();
watchFreshness();
poll("api/node", {
  what: "node",
  every_s: 60,
  life: new AbortController().signal,
  answered: ({ node: name }) => name && setText(document.getElementById("node-name"), name),
});
show();
