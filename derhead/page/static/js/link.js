/**
 * Whether what is shown is live, and since when it is not: pure.
 *
 * A link is `{phase, heardMs, lostMs}`: `connecting` at first, `live` while the stream speaks,
 * `lost` when it broke or said nothing for too long. Times are the page's, in milliseconds.
 */

/** Silence after which the stream is asked whether it lives. */
export const DOUBT_MS = 12_000;

/** The link of a page that has just been opened. */
export function newLink(nowMs) {
  return { phase: "connecting", heardMs: null, lostMs: nowMs };
}

/** Something came over the stream, or the headend answered when it was asked. */
export function heard(link, nowMs) {
  return { phase: "live", heardMs: nowMs, lostMs: null };
}

/** The stream broke, or the headend does not answer. Values are as old as the last word heard. */
export function lost(link, nowMs) {
  if (link.phase !== "live") return link;
  return { phase: "lost", heardMs: link.heardMs, lostMs: link.heardMs ?? nowMs };
}

/** When the stream is to be asked; null while it is known to be down. */
export function nextDoubt(link) {
  return link.phase === "live" ? link.heardMs + DOUBT_MS : null;
}

/** How long to wait before the stream is opened again, after so many failures in a row. */
export function backoffMs(failures, random) {
  return Math.min(10_000, 1000 * 2 ** Math.min(failures, 4)) * (0.5 + random / 2);
}
