/**
 * Whether what is shown is live, and since when it is not: pure.
 *
 * A link is `{phase, heardMs, lostMs}`: `connecting` at first, `live` while the stream speaks,
 * `lost` when it broke or said nothing for too long. Times are the page's, in milliseconds.
 */

/** A stream that says nothing for so long is lost. It says something every 10 s at least. */
export const SILENCE_MS = 12_000;

/** The link of a page that has just been opened. */
export function newLink(nowMs) {
  return { phase: "connecting", heardMs: null, lostMs: nowMs };
}

/** Something came over the stream. */
export function heard(link, nowMs) {
  return { phase: "live", heardMs: nowMs, lostMs: null };
}

/** The stream broke, or is silent. What is shown is as old as the last word heard. */
export function lost(link, nowMs) {
  if (link.phase !== "live") return link;
  return { phase: "lost", heardMs: link.heardMs, lostMs: link.heardMs ?? nowMs };
}

/** How long to wait before the stream is opened again, after so many refusals in a row. */
export function backoffMs(failures, random) {
  return Math.min(10_000, 1000 * 2 ** Math.min(failures, 4)) * (0.5 + random / 2);
}
