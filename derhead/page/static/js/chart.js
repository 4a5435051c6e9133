/**
 * The chart of an asset: power with its setpoint, and the state of charge below it.
 *
 * The chart is SVG. The viewer moves it by dragging, with Ctrl and the wheel, with two fingers, with
 * keys and with buttons. A text says what it shows.
 */

import {
  areaPath,
  bandPath,
  extent,
  linePath,
  nearest,
  segments,
  stairs,
  ticks,
  timeTicks,
} from "./chartmath.js";
import { ChartMoves } from "./chartmoves.js";
import { setAttribute, setText, svg, h } from "./dom.js";
import { clock, day, hourMinute, percent, power, signed } from "./format.js";

const LEFT = 52;
const RIGHT = 14;
const POWER_TOP = 22;
const POWER_HEIGHT = 220;
const CHARGE_GAP = 30;
const CHARGE_HEIGHT = 84;
const FOOT = 28;

export class Chart {
  /** `onmove(window)` is called when the viewer chooses another window. */
  constructor({ charge, digits, onmove, nowMs }) {
    this.charge = charge;
    this.digits = digits;
    this.cursor = null;
    this.window = { from: 0, to: 1 };
    this.points = [];
    this.gaps = [];
    this.gap = 10_000;
    this.height = POWER_TOP + POWER_HEIGHT + (charge ? CHARGE_GAP + CHARGE_HEIGHT : 0) + FOOT;
    this.readout = h("p", { class: "readout", "data-live": true });
    this.svg = svg("svg", {
      class: "chart",
      role: "application",
      "aria-roledescription": "chart",
      tabindex: "0",
      height: this.height,
    });
    this.#buildLayers();
    this.element = h("div", { class: "chart-place" }, this.readout, this.svg);
    this.moves = new ChartMoves(this.svg, {
      area: () => ({ left: LEFT, width: this.#plotWidth() }),
      window: () => this.window,
      nowMs,
      onmove,
      onpoint: (share) => this.#point(share),
    });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
  }

  close() {
    this.observer.disconnect();
  }

  /** Shows points in a window; a line breaks where they are more than `gap` milliseconds apart. */
  show(window, points, gap) {
    this.window = window;
    this.points = points.filter(({ t }) => t >= window.from - gap && t <= window.to + gap);
    this.gap = gap;
    this.draw();
  }

  /** Marks windows without measurements. */
  showGaps(gaps) {
    this.gaps = gaps;
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    if (!width) return;
    setAttribute(this.svg, "viewBox", `0 0 ${width} ${this.height}`);
    setAttribute(this.svg, "width", width);
    setAttribute(this.clip, "width", Math.max(0, this.#plotWidth()));
    const { from, to } = this.window;
    this.x = (t) => round(LEFT + ((t - from) / (to - from)) * this.#plotWidth());
    this.#drawTimes();
    this.#drawGaps();
    this.#drawPower();
    if (this.charge) this.#drawCharge();
    this.#drawCursor();
    setAttribute(this.svg, "aria-label", this.#words());
  }

  #plotWidth() {
    return this.element.clientWidth - LEFT - RIGHT;
  }

  #buildLayers() {
    const path = (name) => svg("path", { class: name, "clip-path": "url(#chart-clip)" });
    this.clip = svg("rect", { x: LEFT, y: 0, height: this.height, width: 0 });
    this.grid = svg("g", { class: "grid" });
    this.times = svg("g", { class: "times" });
    this.missing = svg("g", { class: "missing", "clip-path": "url(#chart-clip)" });
    this.band = path("band");
    this.area = path("area");
    this.setpoint = path("setpoint");
    this.line = path("line");
    this.socArea = path("soc-area");
    this.socLine = path("soc-line");
    this.socGrid = svg("g", { class: "grid" });
    this.mark = svg("g", { class: "cursor", "clip-path": "url(#chart-clip)" });
    this.svg.append(
      svg("defs", {}, svg("clipPath", { id: "chart-clip" }, this.clip)),
      this.missing,
      this.grid,
      this.socGrid,
      this.times,
      this.band,
      this.area,
      this.line,
      this.setpoint,
      this.socArea,
      this.socLine,
      this.mark,
    );
  }

  #drawTimes() {
    const zone = -new Date(this.window.to).getTimezoneOffset() * 60_000;
    const most = Math.max(2, Math.floor(this.#plotWidth() / 90));
    const long = this.window.to - this.window.from < 10 * 60_000 ? clock : hourMinute;
    const foot = this.height - FOOT;
    this.times.replaceChildren(
      ...timeTicks(this.window, most, zone).flatMap((t) => {
        const date = new Date(t);
        const midnight = date.getHours() === 0 && date.getMinutes() === 0;
        const text = midnight && long === hourMinute ? day(date) : long(date);
        const x = this.x(t);
        return [
          svg("line", { x1: x, x2: x, y1: POWER_TOP, y2: foot }),
          svg("text", { x, y: foot + 18, "text-anchor": "middle" }, text),
        ];
      }),
    );
  }

  #drawGaps() {
    const { from, to } = this.window;
    const seen = this.gaps.filter((gap) => gap.to > from && gap.from < to);
    const height = this.height - FOOT - POWER_TOP;
    this.missing.replaceChildren(
      ...seen.map((gap) => {
        const [left, right] = [this.x(Math.max(gap.from, from)), this.x(Math.min(gap.to, to))];
        const place = { x: left, width: right - left, y: POWER_TOP, height };
        return svg("rect", place, svg("title", {}, gap.text));
      }),
    );
  }

  #drawPower() {
    const { low, high } = extent(this.points.flatMap((p) => [p.p, p.setpoint, p.low, p.high]));
    const y = (this.y = (v) => round(POWER_TOP + ((high - v) / (high - low)) * POWER_HEIGHT));
    const marks = ticks(low, high, 6);
    const digits = decimalsOf(marks);
    this.grid.replaceChildren(
      ...marks.flatMap((value) => this.#gridLine(y(value), signed(value, digits), value === 0)),
      svg("text", { class: "unit", x: LEFT, y: POWER_TOP - 9 }, "MW"),
    );
    const lines = segments(this.points, (p) => p.p, this.gap);
    setAttribute(this.line, "d", linePath(lines, this.x, y));
    setAttribute(this.area, "d", areaPath(lines, this.x, y, 0));
    const lows = segments(this.points, (p) => p.low, this.gap);
    const highs = segments(this.points, (p) => p.high, this.gap);
    setAttribute(this.band, "d", bandPath(lows, highs, this.x, y));
    const told = stairs(segments(this.points, (p) => p.setpoint, this.gap));
    setAttribute(this.setpoint, "d", linePath(told, this.x, y));
  }

  #drawCharge() {
    const top = POWER_TOP + POWER_HEIGHT + CHARGE_GAP;
    const y = (share) => round(top + (1 - share) * CHARGE_HEIGHT);
    this.socGrid.replaceChildren(
      ...[0, 0.5, 1].flatMap((share) => this.#gridLine(y(share), percent(share), share === 0)),
      svg("text", { class: "unit", x: LEFT, y: top - 8 }, "State of charge"),
    );
    const lines = segments(this.points, (p) => p.soc, this.gap);
    setAttribute(this.socLine, "d", linePath(lines, this.x, y));
    setAttribute(this.socArea, "d", areaPath(lines, this.x, y, 0));
  }

  #gridLine(y, text, zero) {
    return [
      svg("line", {
        x1: LEFT,
        x2: LEFT + this.#plotWidth(),
        y1: y,
        y2: y,
        class: zero ? "zero" : null,
      }),
      svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, text),
    ];
  }

  // --- the point under the pointer -------------------------------------------------------------

  #point(share) {
    this.cursor = share;
    this.#drawCursor();
  }

  #drawCursor() {
    const { from, to } = this.window;
    const at = this.cursor === null ? null : from + (to - from) * this.cursor;
    const point =
      at === null ? null : nearest(this.points, at, Math.max(this.gap, (to - from) / 50));
    if (point === null || this.y === undefined) {
      this.mark.replaceChildren();
      setText(this.readout, "");
      return;
    }
    const x = this.x(point.t);
    const dot = point.p === null ? [] : [svg("circle", { cx: x, cy: this.y(point.p), r: 4 })];
    this.mark.replaceChildren(
      svg("line", { x1: x, x2: x, y1: POWER_TOP, y2: this.height - FOOT }),
      ...dot,
    );
    setText(this.readout, this.#describe(point));
  }

  #describe(point) {
    const parts = [`${clock(new Date(point.t))}: ${power(point.p, this.digits)}`];
    if (point.low !== undefined && point.low !== point.high) {
      parts.push(
        `between ${signed(point.low, this.digits)} and ${signed(point.high, this.digits)}`,
      );
    }
    if (point.setpoint !== null) parts.push(`setpoint ${power(point.setpoint, this.digits)}`);
    if (point.soc !== null) parts.push(`charge ${percent(point.soc)}`);
    return parts.join(", ");
  }

  #words() {
    const seen = this.points.filter(
      ({ t, p }) => p !== null && t >= this.window.from && t <= this.window.to,
    );
    const range = `from ${clock(new Date(this.window.from))} to ${clock(new Date(this.window.to))}`;
    if (seen.length === 0) return `Power ${range}: no measurements. ${KEYS}`;
    const values = seen.map(({ p }) => p);
    const [low, high] = [
      values.reduce((a, b) => Math.min(a, b)),
      values.reduce((a, b) => Math.max(a, b)),
    ];
    const last = power(values.at(-1), this.digits);
    const between = `between ${power(low, this.digits)} and ${power(high, this.digits)}`;
    return `Power ${range}: ${between}, last ${last}. ${KEYS}`;
  }
}

const KEYS = "Arrow keys move, plus and minus zoom, End goes to now.";

function round(value) {
  return Math.round(value * 10) / 10;
}

/** The number of decimals that these round numbers need. */
function decimalsOf(values) {
  return Math.max(0, ...values.map((value) => (String(value).split(".")[1] ?? "").length));
}
