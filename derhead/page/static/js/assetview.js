/**
 * One asset: its present values, its last hour, its dispatches, and its agent's timeline.
 */

import { AssetChart } from "./assetchart.js";
import { AssetFacts } from "./assetfacts.js";
import { AssetLog } from "./assetlog.js";
import { list } from "./api.js";
import { DispatchList } from "./dispatchlist.js";
import { DispatchTable } from "./dispatchtable.js";
import { openEntries } from "./dispatches.js";
import { h, setText } from "./dom.js";
import { condition } from "./fleet.js";
import { kindName, power } from "./format.js";
import { overviewHref } from "./route.js";

const DISPATCHES_SHOWN = 20;

/** The view at `#/assets/NAME`. */
export class AssetView {
  constructor(store, orders, route) {
    this.store = store;
    this.orders = orders;
    this.name = route.name;
    this.title = `${route.name} \u00b7 derhead`;
    this.target = { target: "asset", name: route.name };
    this.element = h(
      "div",
      { class: "asset" },
      h("p", { class: "hint", role: "status" }, "Loading"),
    );
    this.asset = null;
    this.unlisten = store.listen((kind, data) => this.#hear(kind, data));
  }

  close() {
    this.unlisten();
    this.chart?.close();
  }

  update() {
    const asset = this.store.findAsset(this.name);
    if (this.asset === null) {
      if (!this.store.ready) return;
      if (!asset) this.#showUnknown();
      else this.#build(asset);
      if (this.asset === null) return;
    }
    const now = asset ?? this.asset;
    const item = this.store.fleet.latest.get(now.id);
    const state = condition(now, item);
    this.title = `${now.name} ${power(item?.p_mw)} \u00b7 derhead`;
    this.facts.update(now, item, state);
    this.chart.update(item);
    const mine = [...this.store.dispatches.values()].filter((each) => each.asset_id === now.id);
    this.open.update(openEntries(mine, this.store.nowMs()).map(alone));
    this.history.update();
    this.log.update(state);
  }

  #showUnknown() {
    this.element.replaceChildren(
      h("h1", {}, "No such asset"),
      h(
        "p",
        {},
        `The fleet has no asset called ${this.name}. `,
        h("a", { href: "#/" }, "All assets"),
      ),
    );
  }

  #build(asset) {
    this.asset = asset;
    this.facts = new AssetFacts(this.store);
    this.chart = new AssetChart(this.store, asset);
    this.open = new DispatchList(this.store, "Nothing is ordered now.", { named: false });
    this.history = new DispatchTable(this.store, { named: false });
    this.log = new AssetLog(this.store, asset, (gaps) => this.chart.showGaps(gaps));
    this.none = h("p", { class: "hint" }, "Loading");
    this.element.replaceChildren(
      h(
        "header",
        { class: "asset-head" },
        h(
          "div",
          {},
          h(
            "p",
            { class: "path" },
            h("a", { href: "#/" }, "Overview"),
            " / ",
            h("a", { href: overviewHref({ site: asset.site_name }) }, asset.site_name),
          ),
          h("h1", {}, asset.name),
          h("p", { class: "hint" }, kindName(asset.kind)),
        ),
        h(
          "button",
          { type: "button", class: "primary", onclick: () => this.orders.open(this.target) },
          "Dispatch it",
        ),
      ),
      this.facts.element,
      this.chart.element,
      h(
        "div",
        { class: "aside" },
        section("Open dispatches", "open", this.open.element),
        this.log.gaps.element,
      ),
      h(
        "div",
        { class: "past" },
        section("Dispatches so far", "before", this.history.element, this.none),
        this.log.agent.element,
      ),
    );
    this.#load();
  }

  #hear(kind, data) {
    if (this.asset === null) return;
    if (kind === "dispatch" && data.asset_id === this.asset.id) {
      this.history.take([data]);
      setText(this.none, "");
    }
    if (kind === "reload") {
      this.chart.reload();
      this.#load();
    }
    if (kind === "reload" || kind === "agent") this.log.reload();
  }

  async #load() {
    try {
      const found = await list("/dispatch/history", { asset_id: this.asset.id }, DISPATCHES_SHOWN);
      this.history.take(found);
      setText(this.none, this.history.size ? "" : "It was never dispatched.");
    } catch (error) {
      setText(this.none, `They cannot be read: ${error.message}.`);
    }
    this.store.changed();
  }
}

/** An asset's page shows its part of a site's order on its own. */
function alone(entry) {
  return entry.parts ? { id: entry.parts.at(-1).id, single: entry.parts.at(-1) } : entry;
}

function section(title, name, ...children) {
  return h(
    "section",
    { class: `card ${name}`, "aria-labelledby": `${name}-title` },
    h("h2", { id: `${name}-title` }, title),
    ...children,
  );
}
