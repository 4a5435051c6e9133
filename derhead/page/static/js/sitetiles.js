/**
 * A tile for each site: its power, and its troubles.
 */

import { h, keyed, setAttribute, setText } from "./dom.js";
import { count, signed } from "./format.js";

/** Tiles of sites; choosing one filters the table. */
export class SiteTiles {
  constructor(onchoose, orders) {
    this.onchoose = onchoose;
    this.orders = orders;
    this.element = h("ul", { class: "tiles" });
    this.show = keyed(
      this.element,
      (site) => site.id,
      (site) => this.#make(site),
      (tile, site) => this.#change(tile, site),
    );
  }

  /** Shows the sites; `chosen` is the name of the table's site, or "". */
  update(sites, chosen) {
    this.chosen = chosen;
    this.widest = Math.max(...sites.map((site) => Math.abs(site.mw)), 0.001);
    this.show(sites);
  }

  #make(site) {
    const parts = {
      name: h("span", { class: "name" }),
      mw: h("span", { class: "mw", "data-live": true }),
      trouble: h("span", { class: "trouble" }),
      up: h("span", { class: "up" }),
      down: h("span", { class: "down" }),
    };
    const choose = h(
      "button",
      {
        type: "button",
        class: "tile",
        onclick: () => this.onchoose(this.chosen === site.name ? "" : site.name),
      },
      parts.name,
      h("span", { class: "figure" }, parts.mw, h("span", { class: "unit" }, "MW")),
      h("span", { class: "balance", "aria-hidden": "true" }, parts.down, parts.up),
      parts.trouble,
    );
    const order = h(
      "button",
      {
        type: "button",
        class: "quiet order",
        "aria-label": `Dispatch the site ${site.name}`,
        title: `Dispatch the site ${site.name}`,
        onclick: () => this.orders.open({ target: "site", name: site.name }),
      },
      "Dispatch",
    );
    const tile = h("li", {}, choose, order);
    tile.parts = { ...parts, choose };
    return tile;
  }

  #change(tile, site) {
    const { name, mw, trouble, up, down, choose } = tile.parts;
    setText(name, site.name);
    setText(mw, site.counted ? signed(site.mw) : signed(null));
    const share = (Math.abs(site.mw) / this.widest) * 50;
    setWidth(up, site.mw > 0 ? share : 0);
    setWidth(down, site.mw < 0 ? share : 0);
    setText(trouble, this.#trouble(site));
    setAttribute(trouble, "data-state", site.offline ? "offline" : site.stale ? "stale" : null);
    setAttribute(choose, "aria-pressed", String(this.chosen === site.name));
  }

  #trouble(site) {
    if (site.online === site.assets) return count(site.assets, "asset");
    const found = [];
    if (site.offline) found.push(`${site.offline} offline`);
    if (site.stale) found.push(`${site.stale} stale`);
    return `${found.join(", ")} of ${site.assets}`;
  }
}

function setWidth(element, percent) {
  const text = `${percent.toFixed(1)}%`;
  if (element.style.width !== text) element.style.width = text;
}
