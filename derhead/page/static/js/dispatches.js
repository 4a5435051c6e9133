/**
 * Dispatches in words, and the choice of those that a list shows: pure.
 */

import { amount, signed, span } from "./format.js";

/** States of an open dispatch. */
export const OPEN = new Set(["pending", "sent", "received", "started"]);

/** Time that an ended dispatch stays in the list of open ones, so that its end is seen. */
export const LINGER_MS = 120_000;

const WORDS = {
  pending: "Waiting",
  sent: "On its way",
  received: "Accepted",
  started: "Running",
  completed: "Done",
  rejected: "Refused",
  superseded: "Replaced",
  cancelled: "Withdrawn",
  expired: "Expired",
  failed: "Failed",
};

const REASONS = {
  OUT_OF_RANGE: "the value is out of its range",
  LOCAL: "it is under local control",
  NOT_SUPPORTED: "it cannot do this",
  NOT_AUTHORIZED: "it may not do this",
  HARDWARE_ERROR: "the device did not take it",
  BLOCKED: "it is blocked",
  TOO_MANY_OPS: "it holds too many dispatches",
  UNKNOWN_ASSET: "its agent does not know the asset",
  NO_REPORT: "its agent never reported how it ended",
};

/** Whether the dispatch is open. */
export function isOpen(dispatch) {
  return OPEN.has(dispatch.state);
}

/** The newer of the dispatch in memory, if any, and an answer that an event may have overtaken. */
export function newer(held, answer) {
  return held && held.states.length > answer.states.length ? held : answer;
}

/** A state in a word or two. */
export function stateWord(dispatch) {
  if (isOpen(dispatch) && dispatch.cancelling) return "Being withdrawn";
  return WORDS[dispatch.state] ?? dispatch.state;
}

/** The tone of a state: `active`, `waiting`, `good`, `bad` or `over`. */
export function stateTone(dispatch) {
  if (dispatch.state === "started") return dispatch.suspended ? "bad" : "active";
  if (isOpen(dispatch)) return "waiting";
  if (["rejected", "failed", "expired"].includes(dispatch.state)) return "bad";
  return dispatch.state === "completed" ? "good" : "over";
}

/** The power of an order: `−1.50 MW, out of the grid`. */
export function asked(mw, digits = 2) {
  const text = `${signed(mw, digits)} MW`;
  if (Number(mw) === 0) return text;
  return mw > 0 ? `${text}, into the grid` : `${text}, out of the grid`;
}

/** The dispatch's situation in a sentence; "" if the state says everything. */
export function situation(dispatch, nowMs) {
  const startMs = Date.parse(dispatch.start_at);
  if (dispatch.suspended) return "Its agent cannot hear the headend, and keeps its default.";
  switch (dispatch.state) {
    case "pending":
      return dispatch.attempts
        ? "Sent before; its agent is away. It is sent again when the agent is back."
        : "Its agent is not connected. It is sent when the agent is back.";
    case "received":
      return startMs > nowMs ? `Starts in ${span((startMs - nowMs) / 1000)}.` : "";
    case "started":
      return remaining(dispatch, nowMs);
    case "completed":
      return verdictSentence(dispatch.verdict) || "Its window has ended.";
    case "rejected":
    case "failed":
    case "cancelled":
      return because(dispatch);
    case "expired":
      return because(dispatch) || "It did not reach its device in time.";
    case "superseded":
      return "Another dispatch took its place.";
    default:
      return "";
  }
}

/** Who ordered and who withdrew it, as far as is known: `, ordered by anna, withdrawn by bert`. */
export function people({ ordered_by: orderedBy, withdrawn_by: withdrawnBy }) {
  return `${orderedBy ? `, ordered by ${orderedBy}` : ""}${withdrawnBy ? `, withdrawn by ${withdrawnBy}` : ""}`;
}

function remaining(dispatch, nowMs) {
  if (dispatch.end_at === null) return "Until it is replaced or withdrawn.";
  const left = Date.parse(dispatch.end_at) - nowMs;
  return left > 0 ? `Ends in ${span(left / 1000)}.` : "Its window has ended.";
}

/** A dispatch's reason in words, with its detail. */
export function because({ reason, detail }) {
  if (!reason) return detail ? `${detail[0].toUpperCase()}${detail.slice(1)}.` : "";
  const word = REASONS[reason];
  const known = word ? `${word[0].toUpperCase()}${word.slice(1)} (${reason})` : reason;
  return detail ? `${known}: ${detail}.` : `${known}.`;
}

/** The share of its window that has passed, 0 to 1; null if it has no end or has not started. */
export function progress(dispatch, nowMs) {
  if (dispatch.end_at === null || dispatch.state !== "started") return null;
  const start = Date.parse(dispatch.start_at);
  const end = Date.parse(dispatch.end_at);
  return Math.min(1, Math.max(0, (nowMs - start) / (end - start)));
}

/** The verdict in a sentence; "" if there is none. */
export function verdictSentence(verdict) {
  if (!verdict || !verdict.outcome) return "";
  const error = verdict.held_error_mw ?? verdict.mean_error_mw;
  const off = error === null || error === undefined ? "" : `, ${amount(error)} off on average`;
  switch (verdict.outcome) {
    case "achieved":
      return `Held within ${amount(verdict.tolerance_mw)}${off}.`;
    case "deviating":
      return `Not held within ${amount(verdict.tolerance_mw)}${off}.`;
    default:
      return "Not enough measurements to say whether it was held.";
  }
}

/** The outcome in a word; "" if there is none. */
export function outcomeWord(verdict) {
  const words = { achieved: "Achieved", deviating: "Deviated", unmeasured: "Not measured" };
  return (verdict && words[verdict.outcome]) || "";
}

/** When the dispatch ended, in milliseconds; null if it is open. */
export function endedMs(dispatch) {
  if (isOpen(dispatch)) return null;
  const last = dispatch.states.at(-1);
  return last ? Date.parse(last.at) : Date.parse(dispatch.created_at);
}

/**
 * The entries of the list of open dispatches, newest first: `{id, single}`, or `{id, parts}` for an
 * order to a site. Dispatches that have just ended stay for a while.
 */
export function openEntries(dispatches, nowMs) {
  const entries = new Map();
  for (const dispatch of dispatches) {
    const ended = endedMs(dispatch);
    const shown = ended === null || nowMs - ended < LINGER_MS;
    const id = dispatch.group_id ?? dispatch.id;
    const entry = entries.get(id) ?? { id, parts: [], shown: false, created: Infinity };
    entry.parts.push(dispatch);
    entry.shown ||= shown;
    entry.created = Math.min(entry.created, Date.parse(dispatch.created_at));
    entries.set(id, entry);
  }
  return [...entries.values()]
    .filter((entry) => entry.shown)
    .sort((a, b) => b.created - a.created || (a.id < b.id ? -1 : 1))
    .map(({ id, parts }) =>
      parts[0].group_id === null ? { id, single: parts[0] } : { id, parts },
    );
}
