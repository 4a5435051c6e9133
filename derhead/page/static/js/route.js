/**
 * Addresses of the page's views: pure.
 *
 * They follow the `#`, so that one file serves all views: `#/?site=North`, `#/assets/battery-1`,
 * `#/dispatches`.
 */

/** `{view: "overview" | "asset" | "dispatches" | "unknown", name?, query}` of a location's hash. */
export function parseRoute(hash) {
  const [path, search] = split(hash.replace(/^#/, ""));
  const query = Object.fromEntries(new URLSearchParams(search));
  const parts = path.split("/").filter(Boolean);
  if (parts.length === 0) return { view: "overview", query };
  if (parts.length === 2 && parts[0] === "assets") {
    return { view: "asset", name: decode(parts[1]), query };
  }
  if (parts.length === 1 && parts[0] === "dispatches") return { view: "dispatches", query };
  return { view: "unknown", query };
}

/** The address of an asset's page. */
export function assetHref(name) {
  return `#/assets/${encodeURIComponent(name)}`;
}

/** The address of the overview with a filter, without empty parts. */
export function overviewHref(query) {
  const given = Object.entries(query).filter(([, value]) => value);
  return given.length ? `#/?${new URLSearchParams(given)}` : "#/";
}

function split(text) {
  const at = text.indexOf("?");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
