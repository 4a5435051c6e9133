/**
 * Moving a chart: drag, wheel with Ctrl, two fingers, keys.
 */

import { HOUR, latest, pan, zoom } from "./chartmath.js";

const KEYS = {
  ArrowLeft: (window, now) => pan(window, -0.1, now),
  ArrowRight: (window, now) => pan(window, 0.1, now),
  PageUp: (window, now) => pan(window, -0.9, now),
  PageDown: (window, now) => pan(window, 0.9, now),
  "+": (window, now) => zoom(window, 0.7, 0.5, now),
  "=": (window, now) => zoom(window, 0.7, 0.5, now),
  "-": (window, now) => zoom(window, 1 / 0.7, 0.5, now),
  End: (window, now) => latest(window.to - window.from, now),
  Home: (window, now) => latest(HOUR, now),
};

/** How fast the wheel zooms, per pixel. */
const WHEEL = 0.0025;

/**
 * Listens on an element. `chart` has `area()` (`{left, width}` of the plot), `window()`, `nowMs()`,
 * `onmove(window)`, and `onpoint(share)` for the pointer's place, null = no pointer.
 */
export class ChartMoves {
  #fingers = new Map();
  #start = null;

  constructor(element, chart) {
    this.element = element;
    this.chart = chart;
    this.shift = null;
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      element.addEventListener(name, (event) => this.#up(event));
    }
    element.addEventListener("pointerleave", () => chart.onpoint(null));
    element.addEventListener("blur", () => chart.onpoint((this.shift = null)));
    element.addEventListener("dblclick", (event) => {
      chart.onmove(zoom(chart.window(), 0.5, this.#share(event.clientX), chart.nowMs()));
    });
  }

  #share(clientX) {
    const { left, width } = this.chart.area();
    return (clientX - this.element.getBoundingClientRect().left - left) / width;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.shiftKey && event.key.startsWith("Arrow")) {
      event.preventDefault();
      const by = event.key === "ArrowLeft" ? -0.02 : 0.02;
      this.shift = Math.min(1, Math.max(0, (this.shift ?? 1) + by));
      this.chart.onpoint(this.shift);
      return;
    }
    const move = KEYS[event.key];
    if (!move) return;
    event.preventDefault();
    this.chart.onmove(move(this.chart.window(), this.chart.nowMs()));
  }

  #wheel(event) {
    // Without Ctrl the wheel scrolls the page. A touchpad's pinch comes as wheel with Ctrl.
    if (!event.ctrlKey) return;
    event.preventDefault();
    const factor = Math.exp(event.deltaY * WHEEL * (event.deltaMode ? 20 : 1));
    this.chart.onmove(
      zoom(this.chart.window(), factor, this.#share(event.clientX), this.chart.nowMs()),
    );
  }

  #down(event) {
    if (event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, event.clientX);
    this.#grab();
  }

  #move(event) {
    if (!this.#fingers.has(event.pointerId)) {
      this.chart.onpoint(this.#share(event.clientX));
      return;
    }
    this.#fingers.set(event.pointerId, event.clientX);
    this.#drag();
  }

  #up(event) {
    this.#fingers.delete(event.pointerId);
    this.#grab();
  }

  /** Remembers the times under the fingers. */
  #grab() {
    const shares = [...this.#fingers.values()].map((x) => this.#share(x));
    this.#start = shares.length ? { window: this.chart.window(), shares } : null;
  }

  /** Keeps these times under the fingers. */
  #drag() {
    const { window, shares } = this.#start;
    const now = [...this.#fingers.values()].map((x) => this.#share(x));
    if (now.length === 1) {
      this.chart.onmove(pan(window, shares[0] - now[0], this.chart.nowMs()));
      return;
    }
    const apart = Math.abs(shares[1] - shares[0]) / Math.max(0.02, Math.abs(now[1] - now[0]));
    const middle = (shares[0] + shares[1]) / 2;
    this.chart.onmove(zoom(window, apart, middle, this.chart.nowMs()));
  }
}
