/**
 * The timeline of an asset's agent, and the gaps in the asset's telemetry.
 */

import { ask } from "./api.js";
import { h, setAttribute, setText } from "./dom.js";
import { span, utc, when } from "./format.js";
import { gapRow, timelineRow } from "./logrows.js";

const SHOWN = 20;
/** Least time between two requests, for an agent that often connects and disconnects. */
const SETTLE_MS = 1000;

export class AssetLog {
  #timer = 0;

  /** `ongaps(rows)` is called with the gaps. */
  constructor(store, asset, ongaps) {
    this.store = store;
    this.asset = asset;
    this.ongaps = ongaps;
    this.gaps = new LogTable(store, "Gaps in its telemetry", "gaps", ["From", "For", "Why"]);
    this.agent = new LogTable(store, "Its agent", "agent", ["When", "What"]);
    this.#load();
  }

  /** Loads again if the asset came or went, since that begins and ends gaps. */
  update(state) {
    if (state === this.state) return;
    if (this.state !== undefined) this.reload();
    this.state = state;
  }

  /** An agent connected or disconnected. */
  reload() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), SETTLE_MS);
  }

  async #load() {
    const asset = this.store.fleet.assets.get(this.asset.id) ?? this.asset;
    await Promise.all([
      this.gaps
        .load(`/telemetry/${asset.id}/gaps?limit=${SHOWN}`, gapRow, "Nothing is missing.")
        .then((rows) => this.ongaps(rows.filter((row) => row.missing))),
      asset.agent_id
        ? this.agent.load(
            `/agents/${encodeURIComponent(asset.agent_id)}/timeline?limit=${SHOWN}`,
            (entry) => timelineRow(entry, (id) => this.store.fleet.assets.get(id)?.name ?? id),
            "It never connected.",
          )
        : this.agent.say("No agent ever connected for it."),
    ]);
  }
}

/** A table of rows of `logrows.js`; two columns if all rows are points in time. */
class LogTable {
  constructor(store, title, name, columns) {
    this.store = store;
    this.points = columns.length === 2;
    this.body = h("tbody");
    this.note = h("p", { class: "hint" }, "Loading");
    this.table = h(
      "table",
      { class: "log-table", hidden: true },
      h("caption", { class: "unseen" }, title),
      h("thead", {}, h("tr", {}, ...columns.map((column) => h("th", { scope: "col" }, column)))),
      this.body,
    );
    this.element = h(
      "section",
      { class: `card ${name}`, "aria-labelledby": `${name}-title` },
      h("h2", { id: `${name}-title` }, title),
      this.table,
      this.note,
    );
  }

  say(text) {
    setText(this.note, text);
  }

  /** Loads a list and shows it. Returns its rows, or none if the request fails. */
  async load(path, rowOf, empty) {
    try {
      const { items } = await ask(path);
      const rows = items.map((item) => rowOf(item, this.store.nowMs()));
      this.#show(rows);
      this.say(rows.length ? "" : empty);
      return rows;
    } catch (error) {
      this.say(`It cannot be read: ${error.message}.`);
      return [];
    }
  }

  #show(rows) {
    setAttribute(this.table, "hidden", rows.length === 0);
    const now = new Date(this.store.nowMs());
    this.body.replaceChildren(
      ...rows.map(({ from, to, lengthS, text, tone }) => {
        const began = new Date(from);
        const ended = to === null ? "until now" : `to ${utc(new Date(to))}`;
        return h(
          "tr",
          {},
          h(
            "th",
            { scope: "row", title: this.points ? utc(began) : `${utc(began)} ${ended}` },
            when(began, now),
          ),
          this.points ? null : h("td", { class: "length" }, span(lengthS)),
          h("td", { "data-tone": tone }, text),
        );
      }),
    );
  }
}
