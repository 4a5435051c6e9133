/**
 * A list of dispatches as cards: the order, its present state, and a button to withdraw it.
 */

import { Refused, withdraw } from "./api.js";
import {
  asked,
  because,
  isOpen,
  outcomeWord,
  people,
  progress,
  situation,
  stateTone,
  stateWord,
} from "./dispatches.js";
import { h, keyed, setAttribute, setText } from "./dom.js";
import { clock, count, digitsFor, power, utc, when } from "./format.js";
import { assetHref } from "./route.js";

/** Shows the entries of `openEntries`. `empty` is the text for an empty list. */
export class DispatchList {
  constructor(store, empty, { named = true } = {}) {
    this.store = store;
    this.named = named;
    this.empty = h("p", { class: "hint" }, empty);
    this.cards = h("ul", { class: "cards" });
    this.trouble = h("p", { class: "hint" });
    this.element = h("div", { class: "dispatch-list" }, this.empty, this.trouble, this.cards);
    this.show = keyed(
      this.cards,
      (entry) => entry.id,
      () => new Card(this).element,
      (element, entry) => element.card.update(entry),
    );
  }

  /** Updates the list. */
  update(entries) {
    this.empty.hidden = entries.length > 0;
    setText(this.trouble, this.store.trouble);
    this.show(entries);
  }
}

class Card {
  constructor(list) {
    this.list = list;
    this.store = list.store;
    this.target = h("span", { class: "target" });
    this.asks = h("p", { class: "asks" });
    this.badge = h("span", { class: "badge" });
    this.times = h("p", { class: "times" });
    this.note = h("p", { class: "situation" });
    this.fill = h("span", {});
    this.bar = h("div", { class: "progress", "aria-hidden": "true" }, this.fill);
    this.parts = h("ul", { class: "parts" });
    this.details = h("details", {}, h("summary", {}, "Its assets"), this.parts);
    this.button = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.#press() },
      "Withdraw",
    );
    this.keep = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.#calm() },
      "Keep it",
    );
    this.refusal = h("p", { class: "refusal", role: "alert" });
    this.showParts = keyed(
      this.parts,
      (part) => part.id,
      () => h("li", {}, h("span", {}), h("span", { class: "asks" }), h("span", { class: "badge" })),
      (element, part) => this.#changePart(element, part),
    );
    this.element = h(
      "li",
      { class: "dispatch" },
      h("header", {}, this.target, this.badge),
      this.asks,
      this.bar,
      this.note,
      this.times,
      this.details,
      h("footer", {}, this.button, this.keep),
      this.refusal,
    );
    this.element.card = this;
    this.#calm();
  }

  update({ id, single, parts }) {
    this.id = id;
    if (single) this.#showSingle(single);
    else this.#showGroup(this.store.groups.get(id), parts);
  }

  #showSingle(dispatch) {
    const asset = this.store.fleet.assets.get(dispatch.asset_id);
    this.#showTarget(asset?.name ?? dispatch.asset_id, asset && assetHref(asset.name));
    this.#showState(stateWord(dispatch), stateTone(dispatch), isOpen(dispatch));
    const now = this.store.nowMs();
    this.#showRest(dispatch, situation(dispatch, now), asset);
    const share = progress(dispatch, now);
    this.bar.hidden = share === null;
    if (share !== null) this.fill.style.width = `${(share * 100).toFixed(1)}%`;
    setAttribute(this.badge, "title", outcomeWord(dispatch.verdict) || because(dispatch));
    this.details.hidden = true;
  }

  #showGroup(group, parts) {
    const newest = newestByAsset(parts);
    const open = newest.some(isOpen);
    const lead = newest.find(isOpen) ?? newest[0];
    const site = this.store.fleet.assets.get(lead.asset_id)?.site_name ?? "A site";
    this.#showTarget(`Site ${site}`, null);
    const word = group?.cancelling && open ? "Being withdrawn" : stateWord(lead);
    this.#showState(word, stateTone(lead), open);
    const shown = group ?? { ...lead, mw: newest.reduce((sum, part) => sum + part.mw, 0) };
    const missing = group?.shortfall_mw ? ` ${power(group.shortfall_mw)} is missing.` : "";
    const running = newest.filter((part) => part.state === "started").length;
    const ahead = lead.state === "received" ? situation(lead, this.store.nowMs()) : "";
    const summary = open ? ahead || `${running} of ${count(newest.length, "asset")} running.` : "";
    this.#showRest(shown, (summary || capital(group?.summary ?? "")) + missing, null);
    const share = progress({ ...lead, end_at: shown.end_at }, this.store.nowMs());
    this.bar.hidden = share === null;
    if (share !== null) this.fill.style.width = `${(share * 100).toFixed(1)}%`;
    this.details.hidden = false;
    this.showParts(newest);
  }

  #changePart(element, part) {
    const [name, mw, badge] = element.children;
    const asset = this.store.fleet.assets.get(part.asset_id);
    setText(name, asset?.name ?? part.asset_id);
    setText(mw, power(part.mw, digitsFor(asset?.rated_mw ?? 1)));
    setText(badge, stateWord(part));
    setAttribute(badge, "data-tone", stateTone(part));
  }

  #showTarget(name, href) {
    if (!this.list.named) {
      this.target.hidden = true;
      return;
    }
    if (this.target.textContent === name) return;
    this.target.replaceChildren(href ? h("a", { href }, name) : name);
  }

  #showState(word, tone, open) {
    setText(this.badge, word);
    setAttribute(this.badge, "data-tone", tone);
    setAttribute(this.element, "data-open", String(open));
    this.button.hidden = !open;
    this.button.disabled = word === "Being withdrawn";
    if (!open) this.#calm();
  }

  #showRest(dispatch, note, asset) {
    setText(this.asks, asked(dispatch.mw, digitsFor(asset?.rated_mw ?? 10)));
    setText(this.note, note);
    this.note.hidden = !note;
    const now = new Date(this.store.nowMs());
    const start = new Date(dispatch.start_at);
    const end = dispatch.end_at && new Date(dispatch.end_at);
    const times = end ? `${when(start, now)} to ${clock(end)}` : `From ${when(start, now)}`;
    setText(this.times, times + people(dispatch));
    setAttribute(this.times, "title", end ? `${utc(start)} to ${utc(end)}` : utc(start));
  }

  // --- withdrawing --------------------------------------------------------------------

  #press() {
    if (!this.armed) {
      this.armed = true;
      setText(this.button, "Yes, withdraw it");
      this.button.className = "danger";
      this.keep.hidden = false;
      return;
    }
    this.#withdraw();
  }

  #calm() {
    this.armed = false;
    setText(this.button, "Withdraw");
    this.button.className = "quiet";
    this.keep.hidden = true;
  }

  async #withdraw() {
    this.#calm();
    setText(this.refusal, "");
    this.button.disabled = true;
    try {
      const answer = await withdraw(this.id);
      this.store.takeAnswer(answer);
    } catch (error) {
      const why = error instanceof Refused ? capital(error.message) : "The headend does not answer";
      setText(this.refusal, `${why}.`);
      this.button.disabled = false;
    }
  }
}

/** Each asset's newest part of a group; an asset that took over power has several parts. */
function newestByAsset(parts) {
  const newest = new Map();
  for (const part of [...parts].sort((a, b) => (a.created_at < b.created_at ? -1 : 1))) {
    newest.set(part.asset_id, part);
  }
  return [...newest.values()];
}

function capital(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}
