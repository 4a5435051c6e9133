/**
 * One asset's samples for its chart: loaded on demand, and extended live.
 */

import { ask, list } from "./api.js";
import { SAMPLES_WINDOW, merged, stepFor } from "./chartmath.js";

/** Most samples that are loaded for one window: two a second for an hour. */
const MOST_SAMPLES = 8000;
const MOST_BUCKETS = 1000;
/** Share of the window that is loaded beyond either edge, so that a small move loads nothing. */
const MARGIN = 0.25;

export class Samples {
  points = [];
  step = null;
  /** The window of loaded samples; null = none. */
  #loaded = null;
  #wanted = null;
  #busy = false;

  /** `onload()` is called after a load, `onfail(error)` after a failed one. */
  constructor(assetId, onload, onfail) {
    this.assetId = assetId;
    this.onload = onload;
    this.onfail = onfail;
  }

  /** Loads the missing samples of the window. */
  want(window, now) {
    const step = stepFor(window);
    const same = step?.text === this.step?.text;
    const loaded = this.#loaded;
    // The newest samples come live.
    if (
      same &&
      loaded &&
      loaded.from <= window.from &&
      loaded.to >= Math.min(window.to, now) - 1500
    )
      return;
    this.#wanted = { window, step, now };
    if (!this.#busy) this.#load();
  }

  /** Adds a live sample. */
  take(item) {
    if (item.ts === null || this.#loaded === null) return;
    const point = pointOf(item);
    if (this.step !== null) {
      this.#loaded.to = Math.max(this.#loaded.to, point.t);
      this.#intoBucket(point);
      return;
    }
    const last = this.points.at(-1);
    if (last && point.t <= last.t) return;
    this.points.push(point);
    this.#loaded.to = Math.max(this.#loaded.to, point.t);
    const oldest = point.t - 2 * SAMPLES_WINDOW;
    if (this.points[0].t < oldest && this.#loaded.from < oldest) {
      this.points = this.points.filter(({ t }) => t >= oldest);
      this.#loaded.from = oldest;
    }
  }

  /** Drops the loaded samples: after an outage there may be more. */
  forget() {
    this.#loaded = null;
  }

  #intoBucket({ t, p }) {
    if (p === null) return;
    const start = Math.floor(t / this.step.ms) * this.step.ms;
    const middle = start + this.step.ms / 2;
    const last = this.points.at(-1);
    if (last && last.t === middle) {
      last.low = Math.min(last.low, p);
      last.high = Math.max(last.high, p);
      last.p = (last.p * last.count + p) / (last.count + 1);
      last.count += 1;
    } else if (!last || last.t < middle) {
      this.points.push({ t: middle, p, low: p, high: p, soc: null, setpoint: null, count: 1 });
    }
  }

  async #load() {
    this.#busy = true;
    while (this.#wanted !== null) {
      const { window, step, now } = this.#wanted;
      this.#wanted = null;
      const margin = (window.to - window.from) * MARGIN;
      const from = window.from - margin;
      const to = Math.min(window.to + margin, now);
      try {
        const points = await this.#read(from, to, step);
        const live = step?.text === this.step?.text ? this.points.filter(({ t }) => t > to) : [];
        this.points = merged(points, live);
        this.step = step;
        this.#loaded = { from, to: Math.max(to, this.points.at(-1)?.t ?? to) };
        this.onload();
      } catch (error) {
        this.onfail(error);
      }
    }
    this.#busy = false;
  }

  async #read(from, to, step) {
    const path = `/telemetry/${encodeURIComponent(this.assetId)}/history`;
    const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
    if (step === null) {
      const items = await list(path, range, MOST_SAMPLES);
      return items.map(pointOf).reverse();
    }
    const query = new URLSearchParams({ ...range, step: step.text, limit: MOST_BUCKETS });
    const { items } = await ask(`${path}?${query}`);
    return items
      .filter((bucket) => bucket.mean !== null)
      .map((bucket) => ({
        t: Date.parse(bucket.ts) + step.ms / 2,
        p: bucket.mean,
        low: bucket.min,
        high: bucket.max,
        count: bucket.count,
        soc: null,
        setpoint: null,
      }))
      .reverse();
  }
}

function pointOf(item) {
  return { t: Date.parse(item.ts), p: item.p_mw, soc: item.soc, setpoint: item.setpoint_mw };
}
