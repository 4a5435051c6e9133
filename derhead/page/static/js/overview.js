/**
 * The overview: the fleet's power, its sites, open dispatches, and every asset.
 */

import { AssetTable } from "./assettable.js";
import { DispatchList } from "./dispatchlist.js";
import { openEntries } from "./dispatches.js";
import { h, setAttribute, setText } from "./dom.js";
import { rowsOf, totalsOf } from "./fleet.js";
import { count, grouped, power, signed } from "./format.js";
import { PromisePanel } from "./promises.js";
import { overviewHref } from "./route.js";
import { SiteTiles } from "./sitetiles.js";
import { Filters, filterOf } from "./filters.js";

const CONDITIONS = ["online", "stale", "offline"];

/** The view at `#/`. */
export class OverviewView {
  title = "derhead";

  constructor(store, orders, route) {
    this.store = store;
    this.filter = filterOf(route.query);
    this.filters = new Filters(this.filter, (filter) => this.#choose(filter));
    this.table = new AssetTable();
    this.table.onsort = () => this.update();
    this.tiles = new SiteTiles((site) => this.#choose({ ...this.filter, site }), orders);
    this.list = new DispatchList(store, "Nothing is ordered now.");
    this.promises = new PromisePanel(store);
    this.element = this.#build();
  }

  /** The address changed within this view. */
  navigate(route) {
    this.filter = filterOf(route.query);
    this.filters.show(this.filter);
    this.update();
  }

  close() {
    this.table.close();
    this.promises.close();
  }

  update() {
    const { store } = this;
    const totals = totalsOf(store.fleet);
    this.#showFleet(totals.fleet);
    this.tiles.update(totals.sites, this.filter.site);
    this.filters.update(store.fleet, totals);
    const rows = rowsOf(store.fleet, this.filter);
    this.table.update(rows, Date.now());
    setText(this.shown, this.#shownText(rows.length, totals.fleet.assets));
    const entries = openEntries([...store.dispatches.values()], store.nowMs());
    this.list.update(entries);
    this.title = store.ready ? `${power(totals.fleet.mw)} \u00b7 derhead` : "derhead";
  }

  #shownText(shown, all) {
    if (!this.store.ready) return "Loading";
    if (all === 0) return "The fleet has no assets.";
    if (shown === all) return count(all, "asset");
    return `${grouped(shown)} of ${count(all, "asset")}`;
  }

  #choose(filter) {
    this.filter = filter;
    this.filters.show(filter);
    history.replaceState(null, "", overviewHref(filter));
    this.update();
  }

  #build() {
    this.total = h("span", { class: "value", "data-live": true });
    this.up = h("span", { "data-live": true });
    this.down = h("span", { "data-live": true });
    this.missing = h("p", { class: "hint" });
    this.chips = new Map(CONDITIONS.map((state) => [state, this.#chip(state)]));
    this.shown = h("span", { class: "hint", role: "status", "aria-live": "off" });
    return h(
      "div",
      { class: "overview" },
      h("h1", { class: "unseen" }, "Overview"),
      h(
        "section",
        { class: "card fleet", "aria-labelledby": "fleet-title" },
        h("h2", { id: "fleet-title" }, "Fleet power"),
        h("p", { class: "total" }, this.total, h("span", { class: "unit" }, "MW")),
        h(
          "dl",
          { class: "flows" },
          h("div", { class: "up" }, h("dt", {}, "Into the grid"), h("dd", {}, this.up)),
          h("div", { class: "down" }, h("dt", {}, "Out of the grid"), h("dd", {}, this.down)),
        ),
        this.missing,
        h(
          "div",
          { class: "chips", role: "group", "aria-label": "Assets by state" },
          ...this.chips.values(),
        ),
      ),
      h(
        "section",
        { class: "card sites", "aria-labelledby": "sites-title" },
        h("h2", { id: "sites-title" }, "Sites"),
        this.tiles.element,
      ),
      h(
        "div",
        { class: "beside" },
        h(
          "section",
          { class: "card open", "aria-labelledby": "open-title" },
          h("h2", { id: "open-title" }, "Open dispatches"),
          this.list.element,
        ),
        this.promises.element,
      ),
      h(
        "section",
        { class: "card assets", "aria-labelledby": "assets-title" },
        h("header", {}, h("h2", { id: "assets-title" }, "Assets"), this.shown),
        this.filters.element,
        this.table.element,
      ),
    );
  }

  #chip(state) {
    const number = h("strong", {});
    const word = h("span", {}, state);
    const toggle = () =>
      this.#choose({ ...this.filter, state: this.filter.state === state ? "" : state });
    const button = h(
      "button",
      { class: `chip ${state}`, type: "button", onclick: toggle },
      h("span", { class: "mark", "aria-hidden": "true" }),
      number,
      " ",
      word,
    );
    button.number = number;
    return button;
  }

  #showFleet(fleet) {
    const known = this.store.ready;
    setText(this.total, known ? signed(fleet.mw) : signed(null));
    setText(this.up, known ? `${fleet.up.toFixed(2)} MW` : signed(null));
    setText(this.down, known ? `${fleet.down.toFixed(2)} MW` : signed(null));
    const left = fleet.assets - fleet.counted;
    setText(
      this.missing,
      left && known
        ? `Without ${count(left, "asset")} that ${left === 1 ? "has" : "have"} no current value.`
        : "",
    );
    for (const [state, chip] of this.chips) {
      setText(chip.number, grouped(fleet[state]));
      setAttribute(chip, "aria-pressed", String(this.filter.state === state));
      setAttribute(chip, "data-none", fleet[state] === 0);
    }
  }
}
