/**
 * Sessions and gaps as rows of a log: pure.
 *
 * A row is `{from, to, lengthS, text, tone}`, times in milliseconds, null = still going on.
 */

import { count } from "./format.js";

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

/** An agent's session. */
export function sessionRow(session, nowMs) {
  const from = Date.parse(session.connected_at);
  const to = session.ended_at ? Date.parse(session.ended_at) : null;
  return {
    from,
    to,
    lengthS: ((to ?? nowMs) - from) / 1000,
    text:
      to === null ? "connected" : (ENDS[session.end_reason] ?? session.end_reason ?? "it ended"),
    tone: to === null ? "good" : null,
  };
}

/** A hole in an asset's telemetry. */
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
  };
}

function outcome(gap, to) {
  if (gap.backfilled) return "Filled in later.";
  const missing = gap.rows === null ? "" : `${count(gap.rows, "value")} missing.`;
  return to === null ? `It goes on. ${missing}`.trim() : missing;
}
