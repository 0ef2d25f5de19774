/** The address of a view: `#/service/reviews.shop?port=80`. */

/** What an address means, or null for the target of a link within the page. */
export function parsed(hash) {
  if (hash === "" || hash === "#") return { view: "services", name: "", query: new URLSearchParams() };
  if (!hash.startsWith("#/")) return null;
  const [path, query] = hash.slice(2).split("?", 2);
  const slash = path.indexOf("/");
  return {
    view: slash < 0 ? path : path.slice(0, slash),
    name: slash < 0 ? "" : decoded(path.slice(slash + 1)),
    query: new URLSearchParams(query ?? ""),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign, typed by hand
  }
}

/** The address of a view. Empty values of `query` are left out. */
export function to(view, name = "", query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(filled).toString();
  return `#/${view}${name ? `/${encodeURIComponent(name)}` : ""}${text ? `?${text}` : ""}`;
}

/** Changes the address of the view that is shown, without a step in the history. */
export function replace(address) {
  if (location.hash !== address) history.replaceState(null, "", address);
}
