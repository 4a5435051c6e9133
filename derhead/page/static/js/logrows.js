/**
 * An agent's timeline, and gaps in telemetry, as rows of a log: pure.
 *
 * A row is `{from, to, lengthS, text, tone}`; times in milliseconds, `to` null = not over.
 */

import { stateWord } from "./dispatches.js";
import { count, power, span } from "./format.js";

const CAUSES = {
  link: "The agent and the headend did not reach each other",
  agent_restart: "The agent was not running",
  headend_restart: "The headend was not running",
  overflow: "The agent's memory was full",
  device: "The device did not answer",
  refused: "The headend refused it: another agent held the asset",
  clock: "The agent's clock was set forward",
};

const ENDS = {
  "closed by agent": "it was stopped",
  "connection lost": "the connection was lost",
  silent: "it fell silent",
  draining: "the headend was stopped",
  "headend ended": "the headend ended",
  superseded: "a newer connection of it took over",
  "duplicate id": "several agents use its name",
  "slow reader": "it did not read what it was sent",
  "protocol error": "it broke the protocol",
  "internal error": "a fault of the headend's",
};

/** An entry of an agent's timeline. `nameOf(assetId)` is an asset's name. */
export function timelineRow(entry, nameOf) {
  const at = Date.parse(entry.at);
  const [text, tone] = told(entry, nameOf);
  return { from: at, to: at, lengthS: 0, text, tone };
}

function told({ kind, summary, session, gap, dispatch }, nameOf) {
  switch (kind) {
    case "connected":
      return [`Connected from ${session.peer}, version ${session.software_version}.`, null];
    case "disconnected":
    case "superseded": {
      const seconds = (Date.parse(session.ended_at) - Date.parse(session.connected_at)) / 1000;
      const why = ENDS[session.end_reason] ?? session.end_reason;
      return [`Disconnected after ${span(seconds)}: ${why}.`, "warn"];
    }
    case "gap":
      return [`${nameOf(gap.asset_id)}: ${gapRow(gap, 0).text}`, null];
    case "dispatch": {
      const what = `${nameOf(dispatch.asset_id)} ordered to hold ${power(dispatch.mw)}`;
      return [`${what}: ${stateWord(dispatch).toLowerCase()}.`, null];
    }
    default:
      return [summary, null];
  }
}

/** A gap in an asset's telemetry. */
export function gapRow(gap, nowMs) {
  const from = Date.parse(gap.start);
  const to = gap.end === null ? null : Date.parse(gap.end);
  const cause = CAUSES[gap.cause] ?? gap.cause;
  return {
    from,
    to,
    lengthS: ((to ?? nowMs) - from) / 1000,
    text: `${cause}. ${outcome(gap, to)}`.trim(),
    tone: gap.backfilled ? "good" : "warn",
    missing: !gap.backfilled,
  };
}

function outcome(gap, to) {
  if (gap.backfilled) return "Filled in later.";
  const missing = gap.rows === null ? "" : `${count(gap.rows, "value")} missing.`;
  return to === null ? `It goes on. ${missing}`.trim() : missing;
}
