/**
 * Dispatches as rows: the order, its time, and its result.
 */

import {
  because,
  isOpen,
  outcomeWord,
  situation,
  stateTone,
  stateWord,
  verdictSentence,
} from "./dispatches.js";
import { h, keyed, setAttribute, setText } from "./dom.js";
import { digitsFor, power, span, utc, when } from "./format.js";
import { assetHref } from "./route.js";

export class DispatchTable {
  #dispatches = new Map();

  /** `named`: a column names the asset. */
  constructor(store, { named }) {
    this.store = store;
    this.named = named;
    this.body = h("tbody");
    const columns = [
      "Ordered",
      ...(named ? ["Asset"] : []),
      "Power, + into the grid",
      "For",
      "State",
      "Outcome",
    ];
    this.element = h(
      "table",
      { class: "dispatch-table", hidden: true },
      h("caption", { class: "unseen" }, "Dispatches, newest first"),
      h("thead", {}, h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name)))),
      this.body,
    );
    this.show = keyed(
      this.body,
      (dispatch) => dispatch.id,
      () => this.#make(),
      (row, dispatch) => this.#change(row, dispatch),
    );
  }

  get size() {
    return this.#dispatches.size;
  }

  /** Adds dispatches, or updates those that are there. */
  take(dispatches) {
    for (const dispatch of dispatches) this.#dispatches.set(dispatch.id, dispatch);
  }

  update() {
    const rows = [...this.#dispatches.values()].sort((a, b) =>
      a.created_at === b.created_at ? (a.id < b.id ? 1 : -1) : a.created_at < b.created_at ? 1 : -1,
    );
    setAttribute(this.element, "hidden", rows.length === 0);
    this.show(rows);
  }

  #make() {
    const cell = (name, tag = "td") =>
      h(tag, { class: name, ...(tag === "th" && { scope: "row" }) });
    const row = h("tr");
    row.parts = {
      at: cell("at", "th"),
      asset: this.named ? cell("asset") : null,
      mw: cell("mw"),
      length: cell("length"),
      state: cell("state"),
      outcome: cell("outcome"),
    };
    row.badge = h("span", { class: "badge" });
    row.parts.state.append(row.badge);
    row.append(...Object.values(row.parts).filter(Boolean));
    return row;
  }

  #change(row, dispatch) {
    const { at, asset, mw, length, outcome } = row.parts;
    const created = new Date(dispatch.created_at);
    const known = this.store.fleet.assets.get(dispatch.asset_id);
    setText(at, when(created, new Date(this.store.nowMs())));
    setAttribute(at, "title", utc(created));
    if (asset && asset.textContent !== (known?.name ?? dispatch.asset_id)) {
      asset.replaceChildren(
        known ? h("a", { href: assetHref(known.name) }, known.name) : dispatch.asset_id,
      );
    }
    setText(mw, power(dispatch.mw, digitsFor(known?.rated_mw ?? 1)));
    setText(length, dispatch.duration_s === null ? "until replaced" : span(dispatch.duration_s));
    setText(row.badge, stateWord(dispatch));
    setAttribute(row.badge, "data-tone", stateTone(dispatch));
    setText(outcome, outcomeOf(dispatch));
    setAttribute(outcome, "title", verdictSentence(dispatch.verdict));
  }
}

function outcomeOf(dispatch) {
  if (stateTone(dispatch) === "bad") return situation(dispatch, 0);
  const word = outcomeWord(dispatch.verdict);
  if (word) return `${word}. ${verdictSentence(dispatch.verdict)}`;
  if (dispatch.reason) return because(dispatch);
  return isOpen(dispatch) ? "" : situation(dispatch, 0);
}
