/**
 * Who calls whom, as a graph. A workload and a service of the same name and namespace are one node: `shop/cart` calls,
 * and `cart.shop` is called. Pure, but for the memory of calls that have just stopped.
 */

const KEPT_S = 30; // a call that pauses keeps its place

export class CallGraph {
  constructor() {
    this.calls = new Map();
    this.others = 0;
  }

  /** Takes an event of the stream; its clock may have been set since the last one, either way. */
  take({ at, edges, others }) {
    this.others = others?.n ?? others ?? 0;
    for (const call of this.calls.values())
      if (call.at !== at) Object.assign(call, { requests_per_s: 0, errors_per_s: 0, p99_s: null });
    for (const edge of edges) {
      const key = `${edge.from}>${edge.to}:${edge.port}`;
      this.calls.set(key, { ...edge, key, at, source: nodeName(edge.from) });
    }
    for (const [key, call] of this.calls) if (Math.abs(at - call.at) > KEPT_S) this.calls.delete(key);
  }

  list() {
    return [...this.calls.values()];
  }

  /** One edge for each pair, of all ports, the busiest first. */
  pairs() {
    const found = new Map();
    for (const call of this.calls.values()) {
      const key = `${call.source}>${call.to}`;
      const pair = found.get(key) ?? {
        key,
        from: call.source,
        to: call.to,
        requests_per_s: 0,
        errors_per_s: 0,
        p99_s: null,
      };
      pair.requests_per_s += call.requests_per_s;
      pair.errors_per_s += call.errors_per_s;
      if (call.p99_s !== null) pair.p99_s = Math.max(pair.p99_s ?? 0, call.p99_s);
      found.set(key, pair);
    }
    return [...found.values()].sort(
      (one, other) => other.requests_per_s - one.requests_per_s || (one.key < other.key ? -1 : 1),
    );
  }

  /** What is asked of each node, by all that call it. */
  totals() {
    const found = new Map();
    for (const { to, requests_per_s, errors_per_s, p99_s } of this.calls.values()) {
      const total = found.get(to) ?? { requests_per_s: 0, errors_per_s: 0, p99_s: null };
      total.requests_per_s += requests_per_s;
      total.errors_per_s += errors_per_s;
      if (p99_s !== null) total.p99_s = Math.max(total.p99_s ?? 0, p99_s);
      found.set(to, total);
    }
    return found;
  }

  names() {
    return [...new Set(this.pairs().flatMap(({ from, to }) => [from, to]))].sort();
  }
}

/** `shop/cart` as `cart.shop`; anything else, such as an address or `node`, as it is. */
export function nodeName(caller) {
  const slash = caller.indexOf("/");
  if (slash < 0) return caller || "unknown";
  return slash === 0 ? caller.slice(1) : `${caller.slice(slash + 1)}.${caller.slice(0, slash)}`;
}

/** The pairs around one node: who calls it, whom it calls, the busiest `most` of each. */
export function around(pairs, focus, most) {
  const into = pairs.filter((pair) => pair.to === focus && pair.from !== focus);
  const out = pairs.filter((pair) => pair.from === focus && pair.to !== focus);
  const left_out = Math.max(into.length - most, 0) + Math.max(out.length - most, 0);
  return { pairs: [...into.slice(0, most), ...out.slice(0, most)], left_out };
}

/** The busiest pairs that together have at most `most` nodes. */
export function busiest(pairs, most) {
  const nodes = new Set();
  const taken = [];
  for (const pair of pairs) {
    const more = [pair.from, pair.to].filter((name) => !nodes.has(name));
    if (nodes.size + new Set(more).size > most) continue;
    more.forEach((name) => nodes.add(name));
    taken.push(pair);
  }
  return { pairs: taken, left_out: pairs.length - taken.length };
}
