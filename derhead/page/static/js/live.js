/**
 * The headend's event stream: opened, watched, and opened again, for as long as the page is open.
 *
 * A stream that breaks is taken up again where it broke: the browser sends the last event's id.
 * One that says nothing is doubted: the headend is asked, and if it does not answer, what is
 * shown is not live. While the page is hidden there is no stream, since a browser allows only
 * few connections to one host.
 */

import { Unreachable, ask } from "./api.js";
import { DOUBT_MS, backoffMs, heard, lost, newLink, nextDoubt } from "./link.js";

const STREAM = "/events";
const PROBE_MS = 4000;
const HIDDEN_MS = 20_000;
/** A stream that is silent for so long is replaced, though the headend answers otherwise. */
const REPLACE_MS = 45_000;

/**
 * Starts listening. `on` has `hello`, `telemetry`, `agent` and `dispatch`, called with each
 * event's data, and `link`, called with the link whenever it changes.
 */
export function startLive(on) {
  let link = newLink(Date.now());
  let source = null;
  let failures = 0;
  let timer = 0;
  let wordMs = 0;

  function become(next) {
    link = next;
    on.link(link);
    schedule();
  }

  function open() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(STREAM);
    for (const name of ["hello", "telemetry", "agent", "dispatch"]) {
      source.addEventListener(name, (event) => {
        failures = 0;
        wordMs = Date.now();
        on[name](JSON.parse(event.data));
        become(heard(link, wordMs));
      });
    }
    source.addEventListener("error", fail);
    wordMs = Date.now();
    schedule();
  }

  function fail() {
    become(lost(link, Date.now()));
    // The browser tries again by itself unless the headend refused.
    if (source?.readyState !== EventSource.CLOSED) return;
    source = null;
    clearTimeout(timer);
    timer = setTimeout(open, backoffMs(failures, Math.random()));
    failures += 1;
  }

  function schedule() {
    if (source === null) return;
    clearTimeout(timer);
    const doubt = nextDoubt(link);
    timer = setTimeout(check, doubt === null ? DOUBT_MS : Math.max(0, doubt - Date.now()));
  }

  /** Nothing has come for a while: either nothing happens, or the way is cut. */
  async function check() {
    const asked = source;
    let answers = true;
    try {
      await ask("/healthz", { patienceMs: PROBE_MS });
    } catch (error) {
      answers = !(error instanceof Unreachable);
    }
    if (source !== asked || source === null) return;
    if (!answers) become(lost(link, Date.now()));
    else if (link.phase === "live") become(heard(link, Date.now()));
    if (!answers || Date.now() - wordMs > REPLACE_MS) open();
    else schedule();
  }

  function hide() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      source?.close();
      source = null;
    }, HIDDEN_MS);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hide();
    else if (source === null) open();
    else schedule();
  });
  open();
}
