/**
 * Makes and changes elements. Text only ever becomes a text node and markup is never parsed, so nothing that a client
 * sent, a path or a header's value, can become an element.
 */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `on…` are listeners; an attribute that is null, undefined or false is left out. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets the text of an element that has only text; the page is touched only where it changes. */
export function setText(element, text) {
  const now = String(text);
  if (element.shownText === now) return;
  element.shownText = now;
  element.textContent = now;
}

/** Sets an attribute where it changes; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

/** What a view shows where it has nothing: a sentence, and what to do. */
export function empty(title, ...advice) {
  return h(
    "div",
    { class: "empty" },
    h("p", { class: "empty-title" }, title),
    advice.length ? h("p", {}, ...advice) : null,
  );
}

/** A service's name, its namespace fainter. */
export function serviceName(name) {
  const dot = name.indexOf(".");
  return dot < 0 ? [name] : [name.slice(0, dot), h("span", { class: "faint" }, name.slice(dot))];
}

/** A section of a view with its heading. */
export function section(title, ...children) {
  const id = `section-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...children);
}
