/** Whether what is shown is up to date: every source of the page reports here, the bar shows the worst of them. */

import { clock } from "./format.js";
import { setText } from "./elements.js";
import { say } from "./say.js";

const GRACE_S = 4; // the node ends each stream after a quarter of an hour, and the browser opens it again

const sources = new Set();
let shown = "";

/** One stream or poll. It is stale some seconds after `lost` until the next `fresh`, or where `quiet_s` pass without one. */
export class Source {
  constructor(what, quiet_s) {
    this.what = what;
    this.quiet_s = quiet_s;
    this.began = Date.now() / 1000;
    this.last = null;
    this.problem = "";
    sources.add(this);
  }

  fresh() {
    const news = this.last === null || this.problem !== "";
    this.last = Date.now() / 1000;
    this.problem = "";
    sources.add(this);
    if (news) show();
  }

  /** `problem` is a sentence for the reader. */
  lost(problem) {
    this.problem = problem;
    show();
  }

  over() {
    sources.delete(this);
    show();
  }

  stale(now) {
    const old_s = now - (this.last ?? this.began);
    return (this.problem !== "" && old_s > GRACE_S) || (this.last !== null && old_s > this.quiet_s);
  }
}

function show() {
  const now = Date.now() / 1000;
  const stale = [...sources].filter((source) => source.stale(now));
  const waiting = [...sources].some((source) => source.last === null);
  const state = stale.length ? "stale" : waiting ? "waiting" : "live";
  const since = Math.min(...stale.map((source) => source.last ?? Infinity));
  const text =
    state === "stale"
      ? since < Infinity
        ? `stale since ${clock(since)}`
        : "not connected"
      : state === "live"
        ? "live"
        : "connecting";
  const bar = document.getElementById("freshness");
  bar.dataset.state = state;
  bar.title = stale.map((source) => source.problem || `${source.what}: nothing came for a while`).join("\n");
  document.documentElement.dataset.freshness = state;
  setText(document.getElementById("freshness-text"), text);
  if (state !== shown && (state === "stale" || shown === "stale")) {
    say(state === "stale" ? `The numbers are stale: ${bar.title}` : "The numbers are live again.");
  }
  shown = state;
}

/** Looks at the clock too: a connection can end without a word. */
export function watchFreshness() {
  show();
  setInterval(show, 1000);
}
