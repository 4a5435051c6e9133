/**
 * The table of assets: sortable, and smooth with thousands of rows.
 *
 * A long table has only its visible rows in the document. Rows are kept by asset, and only changed
 * cells are touched. A column of moving values is sorted again every few seconds, but not while the
 * pointer is over a row, so that rows do not move under a click.
 */

import { AssetRow } from "./assetrow.js";
import { h, setAttribute, setChildren } from "./dom.js";
import { MOVING, sorted } from "./fleet.js";
import { visibleRange } from "./rows.js";

const COLUMNS = [
  ["name", "Asset", "name"],
  ["site", "Site", "site"],
  ["kind", "Kind", "kind"],
  ["power", "Power, MW", "number"],
  ["doing", "", "doing"],
  ["setpoint", "Setpoint, MW", "number setpoint"],
  ["charge", "Charge", "charge"],
  ["state", "State", "state"],
];

const RESORT_MS = 5000;

export class AssetTable {
  onsort = () => {};
  #rows = [];
  #shown = new Map();
  #sort = { key: "name", descending: false };
  #sortedMs = 0;
  #pointed = false;
  #current = null;
  #rowPx = 44;
  #nowMs = 0;
  #scheduled = false;

  constructor() {
    this.headers = new Map();
    this.body = h("tbody", {
      onpointerenter: () => (this.#pointed = true),
      onpointerleave: () => (this.#pointed = false),
      onkeydown: (event) => this.#move(event),
      onfocusin: (event) => (this.#current = event.target.closest("tr").dataset.id),
    });
    this.above = pad();
    this.below = pad();
    this.element = h(
      "table",
      { class: "assets-table" },
      h(
        "caption",
        {},
        "Power: + into the grid (generating, discharging), ",
        "\u2212 out of the grid (consuming, charging).",
      ),
      h("thead", {}, h("tr", {}, ...COLUMNS.map((column) => this.#header(column)))),
      this.above,
      this.body,
      this.below,
    );
    this.onscroll = () => this.#schedule();
    addEventListener("scroll", this.onscroll, { passive: true });
    addEventListener("resize", this.onscroll, { passive: true });
  }

  close() {
    removeEventListener("scroll", this.onscroll);
    removeEventListener("resize", this.onscroll);
  }

  /** Shows these rows, in the table's order. */
  update(rows, nowMs) {
    this.#nowMs = nowMs;
    this.#rows = this.#ordered(rows, nowMs);
    setAttribute(this.element, "aria-rowcount", this.#rows.length + 1);
    this.#render();
  }

  #ordered(rows, nowMs) {
    const { key, descending } = this.#sort;
    const held = this.#pointed || nowMs - this.#sortedMs < RESORT_MS;
    if (!MOVING.has(key) || !held) {
      this.#sortedMs = nowMs;
      return sorted(rows, key, descending);
    }
    // Keep the order; new rows come last.
    const places = new Map(this.#rows.map((row, index) => [row.asset.id, index]));
    const placeOf = (row) => places.get(row.asset.id) ?? Infinity;
    return rows.sort((a, b) => placeOf(a) - placeOf(b) || 0);
  }

  #render() {
    const range = this.#range();
    const rows = this.#rows.slice(range.start, range.end);
    const shown = new Map();
    rows.forEach(({ asset }, index) => {
      const row = this.#shown.get(asset.id) ?? new AssetRow(asset);
      row.update(rows[index], range.start + index + 2, this.#nowMs);
      shown.set(asset.id, row);
    });
    const focused = document.activeElement;
    const inside = this.body.contains(focused);
    this.#shown = shown;
    this.#keepOneTabStop();
    setHeight(this.above, range.start * this.#rowPx);
    setHeight(this.below, (this.#rows.length - range.end) * this.#rowPx);
    setChildren(
      this.body,
      [...shown.values()].map((row) => row.element),
    );
    if (inside && document.activeElement !== focused) {
      const row = shown.get(this.#current);
      if (row) row.link.focus({ preventScroll: true });
    }
  }

  #range() {
    this.#rowPx = rowHeight(this.element);
    // The first row's position, whatever is above it in the document.
    const top = this.above.getBoundingClientRect().top;
    return visibleRange(this.#rows.length, this.#rowPx, -top, innerHeight);
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      if (this.element.isConnected) this.#render();
    });
  }

  // --- keys ---------------------------------------------------------------------------

  /** Tab goes to one row and arrow keys go on from there, instead of a thousand tab stops. */
  #keepOneTabStop() {
    if (!this.#shown.has(this.#current)) this.#current = this.#shown.keys().next().value ?? null;
    for (const [id, row] of this.#shown) {
      setAttribute(row.link, "tabindex", id === this.#current ? "0" : "-1");
    }
  }

  #move(event) {
    const page = Math.max(1, Math.floor(innerHeight / this.#rowPx) - 3);
    const last = this.#rows.length - 1;
    const at = this.#rows.findIndex(({ asset }) => asset.id === this.#current);
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#focus(Math.min(last, Math.max(0, to)));
  }

  #focus(index) {
    this.#current = this.#rows[index].asset.id;
    const top = this.above.getBoundingClientRect().top + index * this.#rowPx;
    const room = 3 * this.#rowPx;
    if (top < room) scrollBy(0, top - room);
    else if (top > innerHeight - room) scrollBy(0, top - innerHeight + room);
    this.#render();
    this.#shown.get(this.#current)?.link.focus({ preventScroll: true });
  }

  // --- sorting ------------------------------------------------------------------------

  #header([key, label, kind]) {
    if (key === "doing")
      return h("th", { scope: "col", class: kind }, h("span", { class: "unseen" }, "What it does"));
    const button = h("button", { type: "button", onclick: () => this.#sortBy(key) }, label);
    const header = h("th", { scope: "col", class: kind, "aria-sort": "none" }, button);
    this.headers.set(key, header);
    this.#markSorted();
    return header;
  }

  #sortBy(key) {
    const again = key === this.#sort.key;
    // Numbers are sorted from the greatest first.
    this.#sort = { key, descending: again ? !this.#sort.descending : MOVING.has(key) };
    this.#sortedMs = -Infinity;
    this.#pointed = false;
    this.#markSorted();
    this.onsort();
  }

  #markSorted() {
    const { key, descending } = this.#sort;
    for (const [each, header] of this.headers) {
      const order = descending ? "descending" : "ascending";
      setAttribute(header, "aria-sort", each === key ? order : "none");
    }
  }
}

/** A spacer as high as the rows that are not in the document. */
function pad() {
  const cell = h("td", { colspan: COLUMNS.length });
  return h("tbody", { class: "pad", "aria-hidden": "true" }, h("tr", {}, cell));
}

function setHeight(pad, px) {
  const height = `${px}px`;
  const cell = pad.firstChild.firstChild;
  if (cell.style.height !== height) cell.style.height = height;
}

function rowHeight(table) {
  return parseFloat(getComputedStyle(table).getPropertyValue("--row")) || 44;
}
