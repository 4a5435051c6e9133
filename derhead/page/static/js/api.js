/**
 * The part of the headend's REST API that the page uses.
 */

/** How long the page waits for an answer. */
const PATIENCE_MS = 15_000;

const LOGIN = "/login";

/** An event of the window: the headend asks who calls, and has not been told. */
export const UNKNOWN_CALLER = "unknown-caller";

/** The headend refused: `status`, and the problem document if there is one. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the headend answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** No answer came; the headend may or may not have got the request. */
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
  if (answer.status === 401 && path !== LOGIN) dispatchEvent(new Event(UNKNOWN_CALLER));
  if (!answer.ok) throw new Refused(answer.status, document);
  return document;
}

/** At most `most` items of a list, read page by page. */
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

/** All assets. */
export async function assets() {
  return (await ask("/assets")).items;
}

/** What other machines could use without protection, for people; "" = nothing. */
export async function exposure() {
  let state;
  try {
    state = await ask("/readyz");
  } catch (error) {
    // A headend that is not ready tells its checks, too.
    state = error.problem;
  }
  return state?.checks?.find((each) => each.name === "exposure")?.detail ?? "";
}

/**
 * Open dispatches, and the newest others: `{dispatches, trouble}`.
 *
 * Old ones may be in a store that the headend cannot reach now. Then the list has those since
 * `recentMs`, and `trouble` says so; "" = no trouble.
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

/** What an order would lead to. */
export function preview(body) {
  return ask("/dispatch", { method: "POST", body: { ...body, dry_run: true } });
}

/** Places an order. The same order with the same key is placed only once. */
export function placeOrder(body, key) {
  const headers = { "idempotency-key": `"${key}"` };
  return ask("/dispatch", { method: "POST", body, headers });
}

/** Withdraws a dispatch or an order to a site. */
export function withdraw(id) {
  return ask(`/dispatch/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** Logs in with a token; the browser keeps a cookie. */
export function logIn(token) {
  return ask(LOGIN, { method: "POST", body: { token } });
}

/** Who the page's user is: `{name, role, sites, login_id}`; null if the headend does not know. */
export async function caller() {
  try {
    return await ask(LOGIN);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return null;
    throw error;
  }
}

/** Ends the log-in of this browser. */
export function logOut() {
  return ask(LOGIN, { method: "DELETE" });
}

/** The user's log-ins; to an administrator, all. */
export async function logins() {
  return (await ask("/logins")).items;
}

/** Ends a log-in. */
export function endLogin(id) {
  return ask(`/logins/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** A unique key. `crypto.randomUUID` exists only over HTTPS. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
