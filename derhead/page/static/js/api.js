/**
 * The headend's REST API, as far as the page asks it.
 */

/** How long the page waits for an answer. */
const PATIENCE_MS = 15_000;

/** The headend refused: `status`, and its problem document if it sent one. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the headend answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** No answer came: whether the headend got the request is not known. */
export class Unreachable extends Error {}

/** An answer's JSON. Throws Refused or Unreachable. */
export async function ask(path, { method = "GET", body, headers = {}, patienceMs } = {}) {
  let answer;
  let document;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(patienceMs ?? PATIENCE_MS),
    });
    document = await answer.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refused(answer.status, {});
    throw new Unreachable("the headend does not answer");
  }
  if (!answer.ok) throw new Refused(answer.status, document);
  return document;
}

/** Items of a list, page by page, at most `most` of them. */
export async function list(path, query = {}, most = 1000) {
  const items = [];
  let cursor = null;
  do {
    const limit = Math.min(1000, most - items.length);
    const parameters = new URLSearchParams({ ...query, limit, ...(cursor && { cursor }) });
    const page = await ask(`${path}?${parameters}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null && items.length < most);
  return items;
}

/** Every asset. */
export async function assets() {
  return (await ask("/assets")).items;
}

/**
 * Open dispatches, and the newest others: `{dispatches, trouble}`.
 *
 * Old ones may be where the headend cannot look now; then those since `recentMs` are told, and
 * `trouble` says so. "" is none.
 */
export async function dispatchesNow(recentMs) {
  try {
    return { dispatches: await openAndNewest({}), trouble: "" };
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 503) throw error;
    const dispatches = await openAndNewest({ from: new Date(recentMs).toISOString() });
    return { dispatches, trouble: `Older ones cannot be read now: ${error.message}.` };
  }
}

async function openAndNewest(range) {
  const states = ["pending", "sent", "received", "started"];
  const pages = await Promise.all([
    list("/dispatch/history", range, 50),
    ...states.map((state) => list("/dispatch/history", { ...range, state })),
  ]);
  return pages.flat();
}

/** What would become of an order. */
export function preview(body) {
  return ask("/dispatch", { method: "POST", body: { ...body, dry_run: true } });
}

/** Places an order. Sent again with the same key, it is the same order. */
export function placeOrder(body, key) {
  const headers = { "idempotency-key": `"${key}"` };
  return ask("/dispatch", { method: "POST", body, headers });
}

/** Withdraws a dispatch or an order to a site. */
export function withdraw(id) {
  return ask(`/dispatch/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** A key that nobody else makes. `crypto.randomUUID` is there over HTTPS only. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
