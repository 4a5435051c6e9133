/**
 * The card around an asset's chart: its window, its buttons, and the data that it draws.
 */

import { Chart } from "./chart.js";
import { HOUR, follow, latest, zoom } from "./chartmath.js";
import { h, setAttribute, setText } from "./dom.js";
import { digitsFor, when } from "./format.js";
import { Samples } from "./samples.js";

const LENGTHS = [
  ["15 min", HOUR / 4],
  ["1 hour", HOUR],
  ["6 hours", 6 * HOUR],
  ["24 hours", 24 * HOUR],
];

const SETTLE_MS = 200;

export class AssetChart {
  constructor(store, asset) {
    this.store = store;
    this.asset = asset;
    this.window = latest(HOUR, store.nowMs());
    this.drawnMs = store.nowMs();
    this.samples = new Samples(
      asset.id,
      () => this.#loaded(""),
      (error) => this.#loaded(`The past cannot be read: ${error.message}.`),
    );
    this.chart = new Chart({
      charge: asset.kind === "battery",
      digits: digitsFor(asset.rated_mw),
      nowMs: () => store.nowMs(),
      onmove: (window) => this.#move(window),
    });
    this.note = h("p", { class: "hint", role: "status" }, "Loading");
    this.range = h("span", { class: "hint" });
    this.lengths = LENGTHS.map(([text, length]) =>
      button(text, () => this.#move(latest(length, this.store.nowMs()))),
    );
    this.now = button("Now", () =>
      this.#move(latest(this.window.to - this.window.from, this.store.nowMs())),
    );
    const zoomBy = (factor) => () => this.#move(zoom(this.window, factor, 0.5, this.store.nowMs()));
    this.element = h(
      "section",
      { class: "card chart-card", "aria-labelledby": "chart-title" },
      h(
        "header",
        {},
        h(
          "h2",
          { id: "chart-title" },
          asset.kind === "battery" ? "Power and state of charge" : "Power",
        ),
        this.range,
        h(
          "div",
          { class: "buttons", role: "group", "aria-label": "Time shown" },
          ...this.lengths,
          button("\u2212", zoomBy(1 / 0.6), "Zoom out"),
          button("+", zoomBy(0.6), "Zoom in"),
          this.now,
        ),
      ),
      legend(asset),
      this.chart.element,
      this.note,
    );
    this.samples.want(this.window, store.nowMs());
  }

  close() {
    clearTimeout(this.timer);
    this.chart.close();
  }

  /** Adds the newest sample, and moves the window on with time. */
  update(item) {
    if (item && item.ts !== this.lastTs) {
      this.lastTs = item.ts;
      this.samples.take(item);
    }
    const now = this.store.nowMs();
    this.window = follow(this.window, this.drawnMs, now);
    this.drawnMs = now;
    this.#draw();
  }

  /** Marks gaps, given as rows of `logrows.js`. */
  showGaps(rows) {
    this.chart.showGaps(rows.map((row) => ({ ...row, to: row.to ?? Infinity })));
  }

  /** Loads again after an outage, which may have added samples. */
  reload() {
    this.samples.forget();
    this.samples.want(this.window, this.store.nowMs());
  }

  #move(window) {
    this.window = window;
    this.#draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.samples.want(this.window, this.store.nowMs()), SETTLE_MS);
  }

  #loaded(trouble) {
    setText(this.note, trouble || this.#emptiness());
    this.#draw();
  }

  #emptiness() {
    if (this.samples.points.length === 0) return "There are no measurements of this time.";
    if (this.samples.step === null) return "";
    const means = `Means of ${this.samples.step.text}, with the least and the most as a band.`;
    return this.asset.kind === "battery"
      ? `${means} The state of charge is drawn for up to an hour.`
      : means;
  }

  #draw() {
    const { samples, window } = this;
    const gap = samples.step === null ? gapOf(samples.points) : samples.step.ms * 1.6;
    this.chart.show(window, samples.points, gap);
    const now = new Date(this.store.nowMs());
    setText(this.range, `${when(new Date(window.from), now)} to ${when(new Date(window.to), now)}`);
    const live = this.drawnMs - window.to < 1500;
    setAttribute(this.now, "aria-pressed", String(live));
    this.lengths.forEach((each, index) => {
      const chosen = live && Math.abs(window.to - window.from - LENGTHS[index][1]) < 1000;
      setAttribute(each, "aria-pressed", String(chosen));
    });
  }
}

/** The longest pause that is no gap: a few sample periods, at least 10 s. */
function gapOf(points) {
  const pauses = points
    .slice(-60)
    .map((point, index, all) => (index ? point.t - all[index - 1].t : 0));
  const usual = pauses.slice(1).sort((a, b) => a - b)[Math.floor(pauses.length / 2)] ?? 0;
  return Math.max(10_000, usual * 2.5);
}

function legend(asset) {
  const entry = (name, text) =>
    h("li", {}, h("span", { class: `key ${name}`, "aria-hidden": "true" }), text);
  return h(
    "ul",
    { class: "legend" },
    entry("line", "Power"),
    entry("setpoint", "Setpoint"),
    entry("missing", "Nothing measured"),
    ...(asset.kind === "battery" ? [entry("soc-line", "State of charge")] : []),
  );
}

function button(text, onclick, label) {
  return h("button", { type: "button", class: "quiet", onclick, "aria-label": label }, text);
}
