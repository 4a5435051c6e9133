/**
 * Announcements for screen readers: changes of state, not every value.
 */

import { condition } from "./fleet.js";
import { stateWord } from "./dispatches.js";
import { setText } from "./dom.js";

/** Changes within this time become one sentence. */
const GATHER_MS = 1500;

/** Announces changes of the link, of assets and of dispatches. */
export function startAnnouncing(store) {
  const place = document.getElementById("said");
  const known = new Map();
  let phase = store.link.phase;
  let sentences = [];
  let timer = 0;

  function say(sentence) {
    sentences.push(sentence);
    timer ||= setTimeout(() => {
      timer = 0;
      setText(place, sentences.slice(-5).join(" "));
      sentences = [];
    }, GATHER_MS);
  }

  function watchAssets() {
    const changed = { online: [], stale: [], offline: [] };
    for (const asset of store.fleet.assets.values()) {
      const state = condition(asset, store.fleet.latest.get(asset.id));
      if (known.has(asset.id) && known.get(asset.id) !== state) changed[state].push(asset.name);
      known.set(asset.id, state);
    }
    for (const [state, names] of Object.entries(changed)) {
      if (names.length === 1) say(`${names[0]} is ${state}.`);
      else if (names.length > 1) say(`${names.length} assets are ${state}.`);
    }
  }

  store.watch(() => {
    if (store.link.phase !== phase) {
      if (phase !== "connecting" || store.link.phase === "lost") {
        say(store.link.phase === "live" ? "Data is live again." : "No live data.");
      }
      phase = store.link.phase;
    }
    if (store.ready && phase === "live") watchAssets();
  });
  store.listen((kind, dispatch) => {
    if (kind !== "dispatch") return;
    const asset = store.fleet.assets.get(dispatch.asset_id);
    say(`Dispatch of ${asset?.name ?? "an asset"}: ${stateWord(dispatch)}.`);
  });
}
