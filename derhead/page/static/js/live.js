/**
 * The headend's event stream, kept open while the page is visible.
 *
 * A broken stream resumes where it broke: the browser sends the last event's id. The headend sends
 * `alive` every 10 s, so a stream that is silent for longer is lost, whatever the browser says, and is
 * replaced. A hidden page has no stream, since a browser allows only few connections to one host.
 */

import { SILENCE_MS, backoffMs, heard, lost, newLink } from "./link.js";

/** An event of the window: the headend refused the stream of events. */
export const REFUSED = "stream-refused";

/** An event of the window: the user has logged in. */
export const LOGGED_IN = "logged-in";

const STREAM = "/events";
const HIDDEN_MS = 20_000;

/**
 * Starts listening. `on` has `hello`, `alive`, `telemetry`, `agent` and `dispatch`, called with
 * each event's data, and `link`, called with the link whenever it changes, and `refused`,
 * called when the headend refused the stream.
 */
export function startLive(on) {
  let link = newLink(Date.now());
  let source = null;
  let failures = 0;
  let timer = 0;

  function become(next) {
    link = next;
    on.link(link);
  }

  function wait(ms, then) {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  }

  function open() {
    source?.close();
    source = new EventSource(STREAM);
    for (const name of ["hello", "alive", "telemetry", "agent", "dispatch"]) {
      source.addEventListener(name, (event) => {
        failures = 0;
        on[name](JSON.parse(event.data));
        become(heard(link, Date.now()));
        wait(SILENCE_MS, miss);
      });
    }
    source.addEventListener("error", fail);
    wait(SILENCE_MS, miss);
  }

  /** No event came for too long, though the stream did not break. */
  function miss() {
    become(lost(link, Date.now()));
    open();
  }

  function fail() {
    become(lost(link, Date.now()));
    // The browser reconnects by itself unless the headend refused.
    if (source.readyState !== EventSource.CLOSED) return;
    // The browser does not say why: a refused page asks for a token.
    on.refused();
    wait(backoffMs(failures, Math.random()), open);
    failures += 1;
  }

  function rest() {
    clearTimeout(timer);
    source?.close();
    source = null;
    become(lost(link, Date.now()));
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) wait(HIDDEN_MS, rest);
    else if (source === null) open();
    else wait(SILENCE_MS, miss);
  });
  addEventListener(LOGGED_IN, () => {
    failures = 0;
    open();
  });
  // A browser may keep a page that was left, with its connection.
  addEventListener("pagehide", rest);
  addEventListener("pageshow", () => source === null && open());
  open();
}
