/**
 * Sessions and gaps as rows of a log: pure.
 *
 * A row is `{from, to, lengthS, text, tone}`, times in milliseconds, null = still going on.
 */

const CAUSES = {
  outbox_full: "the agent's memory was full during an outage",
  agent_restart: "the agent restarted",
  refused: "the headend refused it",
  device: "the device did not answer",
  unexplained: "nobody knows why",
};

/** An agent's session. */
export function sessionRow(session, nowMs) {
  const from = Date.parse(session.connected_at);
  const to = session.ended_at ? Date.parse(session.ended_at) : null;
  return {
    from,
    to,
    lengthS: ((to ?? nowMs) - from) / 1000,
    text: to === null ? "connected" : (session.end_reason ?? "ended"),
    tone: to === null ? "good" : null,
  };
}

/** A hole in an asset's telemetry. */
export function gapRow(gap, nowMs) {
  const from = Date.parse(gap.from ?? gap.from_ts ?? gap.started_at);
  const end = gap.to ?? gap.to_ts ?? gap.ended_at ?? null;
  const to = end === null ? null : Date.parse(end);
  return {
    from,
    to,
    lengthS: ((to ?? nowMs) - from) / 1000,
    text: CAUSES[gap.cause] ?? String(gap.cause ?? "").replaceAll("_", " "),
    tone: null,
  };
}
