/** The rates of all service ports, of one stream for the whole page: its tables, charts and the list of names read them. */

import { follow } from "./sources.js";

export const POINTS = 60;
const QUIET_S = 8; // an event comes each second, empty if nothing changes; a busy node may be late by some

/** The last values of one number of one port, oldest first; the newest is that of now. `none` is what no value counts as. */
class History {
  constructor(values, none) {
    this.none = none;
    this.values = new Float32Array(POINTS).fill(none);
    const known = (values ?? []).slice(-POINTS);
    known.forEach((value, index) => {
      this.values[POINTS - known.length + index] = value ?? none;
    });
  }

  step() {
    this.values.copyWithin(0, 1);
  }

  now(value) {
    this.values[POINTS - 1] = value ?? this.none;
  }
}

/** One port of a service, as the stream has it, with its service's name and a key. */
class Port {
  constructor(service, fields) {
    Object.assign(this, fields, {
      name: service.name,
      namespace: service.namespace,
      key: `${service.name}:${fields.port}`,
    });
    const history = fields.history ?? {};
    this.history = {
      requests: new History(history.requests, 0),
      errors: new History(history.errors, 0),
      p99: new History(history.p99, Number.NaN),
    };
    this.remember();
    this.searched = `${this.name} ${this.port} ${this.protocol} ${this.address ?? ""}`.toLowerCase();
  }

  remember() {
    this.history.requests.now(this.requests_per_s);
    this.history.errors.now(this.errors_per_s);
    this.history.p99.now(this.p99_s);
  }

  step() {
    for (const history of Object.values(this.history)) history.step();
    this.remember();
  }

  /** Not all of its endpoints can be chosen, or it fails requests. */
  get failing() {
    return this.errors_per_s > 0 || (this.subscribed && this.endpoints > 0 && this.usable < this.endpoints);
  }
}

export const ports = new Map();
export const heading = { hidden: 0, at: 0, step_s: 1, arrived: false };
const readers = new Set();
let stepped_at = 0;

/** Calls `react` after each change until `life` ends, and at once if there is something already. */
export function onRates(react, life) {
  readers.add(react);
  life.addEventListener("abort", () => readers.delete(react));
  if (heading.arrived) react({ whole: true });
}

export function portsOf(service) {
  return [...ports.values()].filter((port) => port.name === service);
}

export function serviceNames() {
  return [...new Set([...ports.values()].map((port) => port.name))].sort();
}

function whole(event) {
  ports.clear();
  for (const service of event.services) {
    for (const fields of service.ports) {
      const port = new Port(service, fields);
      ports.set(port.key, port);
      heading.step_s = fields.history?.step_s ?? heading.step_s;
    }
  }
  stepped_at = event.at;
  Object.assign(heading, { hidden: event.hidden, at: event.at, arrived: true });
  for (const react of readers) react({ whole: true });
}

function changed(event) {
  for (const [name, number, requests, errors, retries, p50, p99, endpoints, usable, active] of event.ports) {
    const port = ports.get(`${name}:${number}`);
    if (!port) continue; // the next whole event has it
    port.requests_per_s = requests;
    port.errors_per_s = errors;
    port.retries_per_s = retries;
    port.p50_s = p50;
    port.p99_s = p99;
    port.endpoints = endpoints;
    port.usable = usable;
    port.active = active;
    port.remember();
  }
  heading.at = event.at;
  step(event.at);
  for (const react of readers) react({ whole: false });
}

/** The charts move on by one place for each step of the node's history; all places at most, should its clock be set. */
function step(at) {
  stepped_at = Math.min(Math.max(stepped_at, at - POINTS * heading.step_s), at);
  for (; at - stepped_at >= heading.step_s; stepped_at += heading.step_s) {
    for (const port of ports.values()) port.step();
  }
}

/** Begins the stream; it lasts as long as the page. */
export function followRates() {
  follow("api/services?stream=1", {
    what: "services",
    life: new AbortController().signal,
    quiet_s: QUIET_S,
    events: { services: whole, rates: changed },
  });
}
