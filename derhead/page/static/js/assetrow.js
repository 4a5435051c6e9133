/**
 * One asset's row in the table.
 */

import { h, setAttribute, setText } from "./dom.js";
import { ageS } from "./fleet.js";
import { digitsFor, doing, inColumn, kindName, percent, span } from "./format.js";
import { assetHref } from "./route.js";

const UNSEEN = "\u2013";

export class AssetRow {
  constructor(asset) {
    this.link = h("a", { href: assetHref(asset.name), tabindex: "-1" });
    this.under = h("span", { class: "under" });
    this.site = h("td", { class: "site" });
    this.kind = h("td", { class: "kind" });
    this.power = h("td", { class: "number power", "data-live": true });
    this.doing = h("td", { class: "doing", "data-live": true });
    this.setpoint = h("td", { class: "number setpoint", "data-live": true });
    this.fill = h("span", {});
    this.bar = h("span", { class: "gauge", "aria-hidden": "true" }, this.fill);
    this.charge = h("span", {});
    this.word = h("span", {});
    this.age = h("span", { class: "age" });
    this.state = h(
      "td",
      { class: "state" },
      h("span", { class: "mark", "aria-hidden": "true" }),
      this.word,
      this.age,
    );
    this.element = h(
      "tr",
      { "data-id": asset.id, onclick: (event) => this.#follow(event) },
      h("th", { scope: "row", class: "name" }, this.link, this.under),
      this.site,
      this.kind,
      this.power,
      this.doing,
      this.setpoint,
      h("td", { class: "charge", "data-live": true }, this.bar, this.charge),
      this.state,
    );
  }

  /** Updates the row; `place` is its place in the whole table. */
  update({ asset, item, state }, place, nowMs) {
    const digits = digitsFor(asset.rated_mw);
    const mw = item?.p_mw;
    setAttribute(this.element, "aria-rowindex", place);
    setAttribute(this.element, "data-state", state);
    setText(this.link, asset.name);
    setText(this.under, `${asset.site_name}, ${kindName(asset.kind)}`);
    setText(this.site, asset.site_name);
    setText(this.kind, kindName(asset.kind));
    setText(this.power, inColumn(mw, digits));
    setAttribute(this.power, "data-way", mw > 0 ? "up" : mw < 0 ? "down" : null);
    setText(this.doing, item?.status === "fault" ? "fault" : doing(mw, asset.kind, digits));
    setAttribute(this.doing, "data-fault", item?.status === "fault");
    setText(this.setpoint, inColumn(item?.setpoint_mw, digits));
    this.#showCharge(item?.soc);
    setText(this.word, state);
    const age = state === "online" ? null : ageS(item, nowMs);
    setText(
      this.age,
      age === null ? (item?.ts || state === "online" ? "" : "never heard") : span(age),
    );
  }

  #showCharge(soc) {
    const known = soc !== null && soc !== undefined;
    this.bar.hidden = !known;
    setText(this.charge, known ? percent(soc) : UNSEEN);
    if (known) {
      const width = `${Math.round(soc * 100)}%`;
      if (this.fill.style.width !== width) this.fill.style.width = width;
    }
  }

  /** A click anywhere in the row follows its link, unless text is being selected. */
  #follow(event) {
    if (event.target.closest("a") || getSelection().toString()) return;
    if (event.ctrlKey || event.metaKey) open(this.link.href, "_blank", "noopener");
    else this.link.click();
  }
}
