/**
 * Numbers, times and states for people: pure.
 *
 * Power is in MW, always with its sign and its unit. An unknown value is a dash.
 */

const MINUS = "\u2212";
const UNKNOWN = "\u2013";
const FIGURE_SPACE = "\u2007";
/** A space as wide as a digit, which aligns decimal points. */

const MOST_DIGITS = 3;

/** The number of decimals for the power of an asset or a fleet, by its rating in MW. */
export function digitsFor(ratedMw) {
  return ratedMw < 1 ? 3 : 2;
}

/** `+1.20`, `−0.35`, `0.00`; a dash where it is unknown. */
export function signed(value, digits = 2) {
  if (value === null || value === undefined) return UNKNOWN;
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value > 0 ? "+" : MINUS) + text;
}

/** Like `signed`, padded for a column so that decimal points align. */
export function inColumn(value, digits = 2) {
  const text = signed(value, digits);
  return text + FIGURE_SPACE.repeat(text === UNKNOWN ? MOST_DIGITS : MOST_DIGITS - digits);
}

/** `+1.20 MW`, or a dash. */
export function power(value, digits = 2) {
  const text = signed(value, digits);
  return text === UNKNOWN ? text : `${text} MW`;
}

/** An amount without a sign, for a sentence that says the direction: `1.2 MW`. */
export function amount(value) {
  return `${Number(Math.abs(value).toFixed(3))} MW`;
}

const GENERATES = { battery: "discharging" };
const CONSUMES = { battery: "charging", ev_charger: "charging" };

/** What an asset of that kind does at that power, in a word; "" where it is unknown. */
export function doing(mw, kind, digits = 2) {
  if (mw === null || mw === undefined) return "";
  if (Number(Math.abs(mw).toFixed(digits)) === 0) return "idle";
  return mw > 0 ? (GENERATES[kind] ?? "generating") : (CONSUMES[kind] ?? "consuming");
}

/** `54 %`; a dash where it is unknown. */
export function percent(share) {
  return share === null || share === undefined ? UNKNOWN : `${Math.round(share * 100)} %`;
}

/** `99.96 %`, cut off after three decimals: only all of it is `100 %`. A dash where it is unknown. */
export function share(part) {
  if (part === null || part === undefined) return UNKNOWN;
  // Floats: 0.57 * 100 is below 57.
  return `${Math.floor(part * 100_000 + 1e-6) / 1000} %`;
}

/** A short time, for one that is mostly below a second: `0.08 s`, `12 s`. */
export function seconds(time) {
  return `${time < 10 ? time.toFixed(2) : Math.round(time)} s`;
}

const KINDS = {
  solar: "Solar",
  battery: "Battery",
  ev_charger: "EV charger",
  load: "Load",
  generator: "Generator",
};

/** A kind of asset, in words. */
export function kindName(kind) {
  return KINDS[kind] ?? kind;
}

/** A length of time with at most two units: `8 s`, `3 min`, `1 h 20 min`, `2 d 3 h`. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, "h", minutes % 60, "min");
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

function pair(first, firstUnit, second, secondUnit) {
  return second ? `${first} ${firstUnit} ${second} ${secondUnit}` : `${first} ${firstUnit}`;
}

/** `14:03:12`, in the viewer's time zone. */
export function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `14:03`, in the viewer's time zone. */
export function hourMinute(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `24 Nov`, in the viewer's time zone. */
export function day(date) {
  const month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")[date.getMonth()];
  return `${date.getDate()} ${month}`;
}

/** The time of day, and the day where it is not that of `now`. */
export function when(date, now) {
  const today = date.toDateString() === now.toDateString();
  return today ? clock(date) : `${day(date)}, ${clock(date)}`;
}

/** `2026-11-24 14:03:12 UTC`: the tooltip of a time. */
export function utc(date) {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** "1 asset", "8 assets". */
export function count(number, one, many = `${one}s`) {
  return `${grouped(number)} ${number === 1 ? one : many}`;
}

/** `1,000`. */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

function two(number) {
  return String(number).padStart(2, "0");
}
