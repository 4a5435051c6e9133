/**
 * The filter of the table of assets: text, site, kind and state.
 */

import { h, keyed, setText } from "./dom.js";
import { kindName } from "./format.js";

const NAMES = ["text", "site", "kind", "state"];

/** The filter in an address's query: `{text, site, kind, state}`, each "" for any. */
export function filterOf(query) {
  return Object.fromEntries(NAMES.map((name) => [name, query[name] ?? ""]));
}

/** The filter's fields; `onchange(filter)` is called as they change. */
export class Filters {
  constructor(filter, onchange) {
    this.filter = filter;
    this.onchange = onchange;
    const change = (name) => (event) => this.#set({ [name]: event.target.value });
    this.text = h("input", {
      type: "search",
      placeholder: "Asset or site",
      autocomplete: "off",
      spellcheck: "false",
      oninput: change("text"),
    });
    this.site = this.#select("Every site", change("site"));
    this.kind = this.#select("Every kind", change("kind"));
    this.state = this.#select("Every state", change("state"));
    this.state.fill(["online", "stale", "offline"].map((value) => [value, capital(value)]));
    this.clear = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.#set(filterOf({})) },
      "Clear",
    );
    this.element = h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      h("label", {}, h("span", {}, "Find"), this.text),
      h("label", {}, h("span", {}, "Site"), this.site),
      h("label", {}, h("span", {}, "Kind"), this.kind),
      h("label", {}, h("span", {}, "State"), this.state),
      this.clear,
    );
    this.show(filter);
  }

  /** Shows a filter that came from elsewhere. */
  show(filter) {
    this.filter = filter;
    for (const name of NAMES)
      if (this[name].value !== filter[name]) this[name].value = filter[name];
    this.clear.hidden = NAMES.every((name) => !filter[name]);
  }

  /** Offers the fleet's sites and kinds. */
  update(fleet, totals) {
    this.site.fill(totals.sites.map((site) => [site.name, site.name]));
    const kinds = new Set([...fleet.assets.values()].map((asset) => asset.kind));
    this.kind.fill([...kinds].sort().map((kind) => [kind, kindName(kind)]));
    this.show(this.filter);
  }

  #set(change) {
    this.onchange({ ...this.filter, ...change });
  }

  #select(all, onchange) {
    const element = h("select", { onchange });
    const update = keyed(
      element,
      ([value]) => value,
      ([value]) => h("option", { value }),
      (option, [, text]) => setText(option, text),
    );
    element.fill = (options) => update([["", all], ...options]);
    element.fill([]);
    return element;
  }
}

function capital(word) {
  return word[0].toUpperCase() + word.slice(1);
}
