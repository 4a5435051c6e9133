/**
 * The frame around every view: link state, time, banners, the window's title.
 */

import { clock, span, utc } from "./format.js";
import { setAttribute, setText } from "./dom.js";

const WORDS = { connecting: "Connecting", live: "Live", lost: "Not live" };

/** Updates the frame. `titleOf()` is the view's title. */
export function startFrame(store, titleOf) {
  const byId = (id) => document.getElementById(id);
  const [link, word, time] = [byId("link"), byId("link-word"), byId("clock")];
  const [banner, what, then] = [byId("banner"), byId("banner-what"), byId("banner-then")];
  const exposure = byId("exposure");

  function update() {
    const { phase, lostMs } = store.link;
    const now = new Date(store.nowMs());
    setAttribute(document.body, "data-link", phase);
    setAttribute(link, "data-phase", phase);
    setText(word, WORDS[phase]);
    setText(time, clock(now));
    setAttribute(time, "datetime", now.toISOString().slice(0, 19) + "Z");
    setAttribute(time, "title", utc(now));
    showBanner(phase, lostMs);
    exposure.hidden = store.exposure === "";
    setText(exposure, `Not protected: ${store.exposure}`);
    const title = titleOf() ?? "derhead";
    document.title = phase === "lost" ? `\u26a0 No live data \u00b7 ${title}` : title;
  }

  function showBanner(phase, lostMs) {
    const now = Date.now();
    // A page that was just opened waits a moment before it complains.
    const shown = phase === "lost" || (phase === "connecting" && now - lostMs > 3000);
    banner.hidden = !shown;
    if (!shown) return;
    const since = new Date(lostMs);
    setText(what, `No live data since ${clock(since)} (${span((now - lostMs) / 1000)})`);
    setAttribute(what, "title", utc(since));
    setText(
      then,
      phase === "lost"
        ? "What you see is from before. Trying again by itself."
        : "The headend does not answer. Trying again by itself.",
    );
  }

  // A hidden window is not updated, so its title must not look current.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) document.title = "derhead";
    else update();
  });
  store.watch(update);
  update();
}
