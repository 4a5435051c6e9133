/**
 * Creating and changing elements.
 *
 * Text stays text: nothing here parses markup, so an asset's name cannot become any.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children. `on…` attributes are listeners, `class` is a class,
 * true is an attribute without a value, null and false leave it out; children are nodes or text.
 */
export function h(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** Like `h`, for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute if it differs; null and false remove it. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Sets an element's text if it differs, so that unchanged text costs no layout. */
export function setText(element, text) {
  const only = element.firstChild;
  if (only && only === element.lastChild && only.nodeType === Node.TEXT_NODE) {
    if (only.data !== text) only.data = text;
  } else if (only || text) {
    element.textContent = text;
  }
}

/** Makes `parent`'s children exactly these, touching only what differs. */
export function setChildren(parent, children) {
  children.forEach((child, index) => {
    const there = parent.childNodes[index];
    if (there !== child) parent.insertBefore(child, there ?? null);
  });
  while (parent.childNodes.length > children.length) parent.lastChild.remove();
}

/**
 * Keeps one element for each key: `update(items)` creates, changes and removes them.
 *
 * `make(item)` creates an element, `change(element, item)` updates it.
 */
export function keyed(parent, keyOf, make, change) {
  const elements = new Map();
  return function update(items) {
    const wanted = items.map((item) => {
      const key = keyOf(item);
      const element = elements.get(key) ?? make(item);
      elements.set(key, element);
      change(element, item);
      return element;
    });
    const keep = new Set(items.map(keyOf));
    for (const key of elements.keys()) if (!keep.has(key)) elements.delete(key);
    const focused = document.activeElement;
    setChildren(parent, wanted);
    // A moved element loses its focus.
    if (focused !== document.activeElement && parent.contains(focused)) focused.focus();
  };
}
