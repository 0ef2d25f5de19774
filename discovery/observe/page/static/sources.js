/** Where numbers come from: streams of server-sent events that reconnect, and questions asked again and again. */

import { Source } from "./freshness.js";

const RETRY_FIRST_S = 1;
const RETRY_MOST_S = 15; // as long as the comments that keep a stream open are apart
const HIDDEN_S = 30; // a tab in the background gives its stream back: a browser has six connections to one host

/**
 * Follows the stream at `url` until `life` (an AbortSignal) ends.
 * `events` has a function for each event's name; `quiet_s` is how long it may say nothing before it counts as stale.
 * A refusal, such as a filter that cannot be read, goes to `onrefused` where there is one, and is final then.
 */
export function follow(url, { what, events, life, quiet_s = Infinity, onopen, onrefused }) {
  const source = new Source(what, quiet_s);
  let stream = null;
  let retry_s = RETRY_FIRST_S;
  let timer = 0;

  function open() {
    stream = new EventSource(url);
    stream.onopen = () => {
      retry_s = RETRY_FIRST_S;
      if (quiet_s === Infinity) source.fresh();
      onopen?.();
    };
    stream.onerror = () => {
      source.lost(`${what}: the connection is lost, trying again`);
      if (stream.readyState === EventSource.CLOSED) refused();
    };
    for (const [name, react] of Object.entries(events)) {
      stream.addEventListener(name, (event) => {
        source.fresh();
        react(JSON.parse(event.data));
      });
    }
  }

  // A browser gives up on a stream that was refused, and does not say why: ask once more for the reason.
  async function refused() {
    const reason = await refusal(url);
    if (life.aborted) return;
    if (reason && onrefused) {
      source.over();
      return onrefused(reason);
    }
    if (reason) source.lost(`${what}: ${reason}`);
    clearTimeout(timer);
    timer = setTimeout(reopen, retry_s * 1000);
    retry_s = Math.min(retry_s * 2, RETRY_MOST_S);
  }

  function close() {
    clearTimeout(timer);
    stream?.close();
    stream = null;
  }

  function reopen() {
    close();
    open();
  }

  function seen() {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(close, HIDDEN_S * 1000);
    else if (stream === null || stream.readyState === EventSource.CLOSED) reopen();
  }

  document.addEventListener("visibilitychange", seen, { signal: life });
  life.addEventListener("abort", () => {
    close();
    source.over();
  });
  open();
  return close;
}

async function refusal(url) {
  const asked = new AbortController();
  try {
    const answer = await fetch(url, { signal: asked.signal });
    const text = answer.ok ? "" : (await answer.text()).trim();
    asked.abort();
    return text;
  } catch {
    return "";
  }
}

/** What `url` answers, as JSON. Raises an Error whose message is the node's own sentence. */
export async function ask(url, life) {
  let answer;
  try {
    answer = await fetch(url, { signal: life });
  } catch (error) {
    if (life.aborted) throw error;
    throw new Error("the node does not answer");
  }
  if (!answer.ok)
    throw Object.assign(new Error((await answer.text()).trim() || `status ${answer.status}`), {
      status: answer.status,
    });
  return answer.json();
}

/** Asks `url` every `every_s` seconds, while the page is seen; `answered` gets each answer, `failed` each error. */
export function poll(url, { what, life, every_s, answered, failed }) {
  const source = new Source(what, every_s * 3);
  let timer = 0;

  async function again() {
    clearTimeout(timer);
    const answer = await ask(url, life).catch((error) => error);
    if (life.aborted) return;
    if (!document.hidden) timer = setTimeout(again, every_s * 1000);
    if (!(answer instanceof Error)) {
      source.fresh();
      return answered(answer);
    }
    if (answer.status >= 400 && answer.status < 500)
      source.over(); // there is no such thing: nothing of it can be stale
    else source.lost(`${what}: ${answer.message}`);
    failed?.(answer);
  }

  document.addEventListener("visibilitychange", () => !document.hidden && again(), { signal: life });
  life.addEventListener("abort", () => {
    clearTimeout(timer);
    source.over();
  });
  again();
  return again;
}
