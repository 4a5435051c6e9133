/**
 * The chart's arithmetic: windows of time, scales, ticks and lines: pure.
 *
 * A window is `{from, to}` in milliseconds. Points are `{t, ...}` in order of time.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** The shortest and the longest window. */
export const MIN_WINDOW = MINUTE;
export const MAX_WINDOW = 24 * HOUR;

/** Windows up to this long are drawn sample by sample. */
export const SAMPLES_WINDOW = 1.25 * HOUR;

const STEPS = [
  [3 * HOUR, 30, "30s"],
  [6 * HOUR, 60, "1m"],
  [12 * HOUR, 120, "2m"],
  [Infinity, 300, "5m"],
];

/** `{ms, text}` of the steps that draw a long window; null = sample by sample. */
export function stepFor(window) {
  const length = window.to - window.from;
  if (length <= SAMPLES_WINDOW) return null;
  const [, seconds, text] = STEPS.find(([longest]) => length <= longest);
  return { ms: seconds * SECOND, text };
}

/** The window of that length that ends now. */
export function latest(length, now) {
  return { from: now - length, to: now };
}

/** The window moved by a share of its length, never into the future. */
export function pan(window, share, now) {
  const by = Math.min((window.to - window.from) * share, now - window.to);
  return { from: window.from + by, to: window.to + by };
}

/** The window zoomed out (`factor` above 1) or in, around the time at `share` of it. */
export function zoom(window, factor, share, now) {
  const length = window.to - window.from;
  const longer = Math.min(MAX_WINDOW, Math.max(MIN_WINDOW, length * factor));
  const from = window.from + (length - longer) * share;
  const over = Math.max(0, from + longer - now);
  return { from: from - over, to: from + longer - over };
}

/** The window as `now` goes on: a window that ended at the present still does. */
export function follow(window, before, now) {
  return before - window.to < SECOND ? latest(window.to - window.from, now) : window;
}

/** The range of the drawn values, with zero in it and a little room. */
export function extent(values) {
  let low = 0;
  let high = 0;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) return { low: -0.1, high: 0.1 };
  const room = (high - low) * 0.08;
  return { low: low < 0 ? low - room : 0, high: high > 0 ? high + room : 0 };
}

/** Round numbers within a range, about as many as asked for. */
export function ticks(low, high, about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) {
    found.push(Number((n * step).toPrecision(12)));
  }
  return found;
}

const TIME_STEPS = [
  ...[5, 10, 15, 30].map((each) => each * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((each) => each * MINUTE),
  ...[1, 2, 3, 6, 12].map((each) => each * HOUR),
];

/** Round times of day in a window, up to a number; `offset` is the zone's, in milliseconds. */
export function timeTicks(window, most, offset) {
  const length = window.to - window.from;
  const step = TIME_STEPS.find((each) => length / each <= most) ?? 24 * HOUR;
  const found = [];
  const first = Math.ceil((window.from + offset) / step) * step - offset;
  for (let t = first; t <= window.to; t += step) found.push(t);
  return found;
}

/** Segments of points, cut at pauses above `gap` milliseconds and where `valueOf` is null. */
export function segments(points, valueOf, gap) {
  const found = [];
  let open = null;
  let before = null;
  for (const point of points) {
    const value = valueOf(point);
    if (value === null || value === undefined) {
      open = null;
      continue;
    }
    if (open === null || point.t - before > gap) {
      open = [];
      found.push(open);
    }
    open.push({ t: point.t, value });
    before = point.t;
  }
  return found;
}

/** The `d` of an SVG path along segments. */
export function linePath(parts, x, y) {
  return parts
    .map((points) => points.map(({ t, value }) => `${x(t)},${y(value)}`))
    .map((corners) => `M${corners.length > 1 ? corners.join("L") : `${corners[0]}h1`}`)
    .join("");
}

/** The `d` of the area between segments and a level. */
export function areaPath(parts, x, y, level) {
  const base = y(level);
  return parts
    .filter((points) => points.length > 1)
    .map((points) => {
      const top = points.map(({ t, value }) => `${x(t)},${y(value)}`).join("L");
      return `M${x(points[0].t)},${base}L${top}L${x(points.at(-1).t)},${base}Z`;
    })
    .join("");
}

/** The `d` of the band between two lines over the same points. */
export function bandPath(lows, highs, x, y) {
  return lows
    .map((points, index) => {
      const down = points.map(({ t, value }) => `${x(t)},${y(value)}`).join("L");
      const up = [...highs[index]].reverse().map(({ t, value }) => `${x(t)},${y(value)}`);
      return `M${down}L${up.join("L")}Z`;
    })
    .join("");
}

/** A line with steps, such as a setpoint's: each value holds until the next. */
export function stairs(parts) {
  return parts.map((points) =>
    points.flatMap((point, index) => {
      const next = points[index + 1];
      return next && next.value !== point.value
        ? [point, { t: next.t, value: point.value }]
        : [point];
    }),
  );
}

/** The point nearest to a time, or null if none is within `reach` milliseconds. */
export function nearest(points, t, reach) {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].t < t) low = middle + 1;
    else high = middle;
  }
  const around = [points[low - 1], points[low]].filter(Boolean);
  const best = around.sort((a, b) => Math.abs(a.t - t) - Math.abs(b.t - t))[0];
  return best && Math.abs(best.t - t) <= reach ? best : null;
}

/** Two lists merged by time; where both have a point, the second's counts. */
export function merged(before, after) {
  const byTime = new Map([...before, ...after].map((point) => [point.t, point]));
  return [...byTime.values()].sort((a, b) => a.t - b.t);
}
