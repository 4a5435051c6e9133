/**
 * The state of the event stream: pure.
 *
 * A link is `{phase, heardMs, lostMs}`: `connecting` at first, `live` while events come, `lost` when the
 * stream broke or was silent for too long. Times are the page's, in milliseconds.
 */

/** A stream that is silent for this long is lost. It sends at least one event every 10 s. */
export const SILENCE_MS = 12_000;

/** The link of a page that was just opened. */
export function newLink(nowMs) {
  return { phase: "connecting", heardMs: null, lostMs: nowMs };
}

/** An event came over the stream. */
export function heard(link, nowMs) {
  return { phase: "live", heardMs: nowMs, lostMs: null };
}

/** The stream broke or is silent. The shown values are as old as the last event. */
export function lost(link, nowMs) {
  if (link.phase !== "live") return link;
  return { phase: "lost", heardMs: link.heardMs, lostMs: link.heardMs ?? nowMs };
}

/** The wait before the stream is opened again, after that many refusals in a row. */
export function backoffMs(failures, random) {
  return Math.min(10_000, 1000 * 2 ** Math.min(failures, 4)) * (0.5 + random / 2);
}
