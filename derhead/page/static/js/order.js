/**
 * The dispatch form: its fields, their order, and the answer's errors by field: pure.
 *
 * Fields are strings, as typed: `{target, name, direction, mw, forever, duration, unit, starts,
 * start}`. `target` is `asset` or `site`; `direction` is `in` (into the grid) or `out`.
 */

const UNITS_S = { min: 60, h: 3600 };

/** The field of each member of an order. */
const FIELDS = {
  asset_id: "name",
  site_id: "name",
  mw: "mw",
  duration_s: "duration",
  start_at: "start",
};

/** The fields of a new form. */
export function newFields(target = "asset", name = "") {
  return {
    target,
    name,
    direction: "in",
    mw: "",
    forever: false,
    duration: "15",
    unit: "min",
    starts: "now",
    start: "",
  };
}

/** `{body}` to post, or `{errors: {field: text}}` if something is missing. */
export function makeOrder(fields) {
  const errors = {};
  const body = {};
  if (fields.name.trim()) body[`${fields.target}_id`] = fields.name.trim();
  else errors.name = fields.target === "asset" ? "Choose an asset." : "Choose a site.";
  const mw = readNumber(fields.mw);
  if (mw === null || mw < 0) errors.mw = "Write a number of MW, such as 1.5.";
  else body.mw = fields.direction === "out" && mw > 0 ? -mw : mw;
  if (!fields.forever) {
    const length = readNumber(fields.duration);
    if (length === null || length <= 0) errors.duration = "Write how long, such as 15.";
    else body.duration_s = length * UNITS_S[fields.unit];
  }
  if (fields.starts === "at") {
    const start = new Date(fields.start);
    if (Number.isNaN(start.getTime())) errors.start = "Choose a date and time.";
    else body.start_at = start.toISOString();
  }
  return Object.keys(errors).length ? { errors } : { body };
}

/** A number with a comma or a point; null if the text is none. */
export function readNumber(text) {
  const plain = text.trim().replace(",", ".").replace("\u2212", "-");
  if (!/^-?(\d+\.?\d*|\.\d+)$/.test(plain)) return null;
  return Number(plain);
}

/** A typed sign sets the direction: `{direction, mw}`. */
export function splitSign(text, direction) {
  const plain = text.replace(/^\s*\u2212/, "-").trimStart();
  if (plain.startsWith("-")) return { direction: "out", mw: plain.slice(1) };
  if (plain.startsWith("+")) return { direction: "in", mw: plain.slice(1) };
  return { direction, mw: text };
}

/** A problem's errors by field of the form; other errors are under `form`. */
export function placeErrors(problem) {
  const placed = {};
  const errors = problem.errors ?? [];
  for (const { pointer, detail } of errors) {
    const field = FIELDS[pointer.replace(/^\//, "")] ?? "form";
    const sentence = sentenceOf(detail);
    placed[field] = placed[field] ? `${placed[field]} ${sentence}` : sentence;
  }
  if (errors.length === 0) placed.form = sentenceOf(problem.detail ?? "The headend refused it.");
  return placed;
}

/** Warnings to show before a dispatch is confirmed. */
export function warningsOf(preflight) {
  const warnings = [];
  const parts = preflight.parts ?? [preflight];
  const offline = parts.filter((part) => part.online === false).length;
  if (offline) {
    warnings.push(
      parts.length === 1
        ? "The asset is offline: the dispatch waits until its agent is back."
        : `${offline} of ${parts.length} assets are offline.`,
    );
  }
  if (parts.some((part) => part.enough_energy === false)) {
    warnings.push("The battery cannot hold this to the end.");
  }
  const replaced = parts.reduce((sum, part) => sum + part.supersedes.length, 0);
  if (replaced) {
    warnings.push(
      replaced === 1 ? "It replaces another dispatch." : `It replaces ${replaced} dispatches.`,
    );
  }
  if (parts.some((part) => part.gives_way_to !== null)) {
    warnings.push("A dispatch of a higher priority is in force: this one would give way to it.");
  }
  return warnings;
}

/** Why the checked order is impossible at that power; "" if it is possible. */
export function tooMuch(preflight) {
  return preflight.fits === false || preflight.within_limits === false
    ? sentenceOf(preflight.sentence)
    : "";
}

function sentenceOf(detail) {
  const text = detail.trim();
  return text[0].toUpperCase() + text.slice(1) + (/[.!?)]$/.test(text) ? "" : ".");
}
