/** Numbers, durations and times in words. Durations are in seconds, rates per second. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A rate with three figures at most where it is small. */
export function rate(value) {
  if (!value) return "0";
  if (value < 0.05) return "<0.1";
  return value < 9.95 ? value.toFixed(1) : whole.format(value);
}

export function count(value) {
  return whole.format(value);
}

/** A duration with its unit, "–" for none. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.00995) return `${trimmed(seconds * 1000)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 99.5 ? `${trimmed(seconds)} s` : age(seconds);
}

function trimmed(value) {
  return value < 9.95 ? value.toFixed(1) : value.toFixed(0);
}

/** How long something lasts or ago is. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "never";
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  if (seconds < 5_970) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** The share of errors, "" without any. */
export function share(errors, requests) {
  if (!errors || !requests) return "";
  const ratio = Math.min(errors / requests, 1);
  return ratio < 0.001 ? "<0.1%" : `${(ratio * 100).toFixed(ratio < 0.0995 ? 1 : 0)}%`;
}

/** The time of day, of seconds since 1970; with milliseconds where requests are told apart. */
export function clock(time_s, precise = false) {
  const at = new Date(time_s * 1000);
  const text = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
  return precise ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
}

/** A sentence as the node says it, with a capital and a full stop. */
export function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** "1 endpoint", "2 endpoints". */
export function many(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A value of a policy as YAML's flow style has it, without what is empty within it. */
export function yaml(value) {
  if (Array.isArray(value)) return `[${value.map(yaml).join(", ")}]`;
  if (value === null || value === undefined) return "-";
  if (typeof value !== "object") return String(value);
  const items = Object.entries(value)
    .filter(([, item]) => item !== null)
    .map(([name, item]) => [name, yaml(item)]);
  return `{${items
    .filter(([, text]) => text !== "{}" && text !== "[]")
    .map(([name, text]) => `${name}: ${text}`)
    .join(", ")}}`;
}
