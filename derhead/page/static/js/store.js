/**
 * The page's state in one place: the event stream updates it, the views read it.
 *
 * Views are notified at most once a frame, however much changed.
 */

import * as api from "./api.js";
import { LINGER_MS, endedMs, newer } from "./dispatches.js";
import { emptyFleet, takeAgent, takeTelemetry, withAssets } from "./fleet.js";
import { newLink } from "./link.js";
import { REFUSED, startLive } from "./live.js";

/** Least time between two requests for the list of assets. */
const ASSETS_MS = 3000;
const GROUP_MS = 400;
/** Age of dispatches to ask for if the headend cannot list all. */
const RECENT_MS = 24 * 3_600_000;
/** Most dispatches in memory; those that ended first go first. */
const DISPATCHES_KEPT = 5000;

export class Store {
  fleet = emptyFleet();
  dispatches = new Map();
  groups = new Map();
  link = newLink(Date.now());
  /** What other machines could use without protection; "" = nothing. */
  exposure = "";
  /** Why some dispatches are missing; "" if none is. */
  trouble = "";
  ready = false;
  #fleetTag = "";
  #offsetMs = 0;
  #watchers = new Set();
  #listeners = new Set();
  #scheduled = false;
  #loading = null;
  #assetsTimer = 0;
  #assetsMs = 0;
  #groupTimers = new Map();

  /** Starts the event stream. */
  start() {
    startLive({
      hello: (hello) => this.#greet(hello),
      alive: ({ now }) => this.#setClock(now),
      telemetry: ({ items }) => {
        if (takeTelemetry(this.fleet, items, Date.now())) this.#reloadAssets();
        this.changed();
      },
      agent: (event) => {
        takeAgent(this.fleet, event.agent_id, event.change === "connected");
        this.#reloadAssets();
        this.#tell("agent", event);
      },
      dispatch: ({ dispatch }) => this.takeDispatch(dispatch),
      refused: () => dispatchEvent(new Event(REFUSED)),
      link: (link) => {
        this.link = link;
        this.changed();
      },
    });
    setInterval(() => this.changed(), 1000);
  }

  /** The headend's time now, in milliseconds. */
  nowMs() {
    return Date.now() + this.#offsetMs;
  }

  /** Calls `watcher` once a frame while things change; returns a function that stops it. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Calls `listener(kind, data)` for each `agent` and `dispatch` event and each `reload`. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes the views update at the next frame. */
  changed() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const watcher of this.#watchers) watcher();
    });
  }

  /** Stores the answer to an order or a withdrawal: a dispatch, or an order to a site. */
  takeAnswer(answer) {
    if (answer.parts) this.takeGroup(answer);
    else this.takeDispatch(newer(this.dispatches.get(answer.id), answer));
  }

  /** Stores a dispatch, from an event. */
  takeDispatch(dispatch) {
    this.dispatches.set(dispatch.id, dispatch);
    this.#loading?.push(dispatch);
    if (dispatch.group_id !== null) this.#lookAtGroup(dispatch.group_id);
    if (this.dispatches.size > DISPATCHES_KEPT) this.#forget();
    this.#tell("dispatch", dispatch);
  }

  /** Stores an order to a site. */
  takeGroup(group) {
    this.groups.set(group.id, group);
    for (const part of group.parts) {
      this.dispatches.set(part.id, newer(this.dispatches.get(part.id), part));
    }
    this.changed();
  }

  /** The asset of that name or id, if there is one. */
  findAsset(name) {
    const byId = this.fleet.assets.get(name);
    if (byId) return byId;
    return [...this.fleet.assets.values()].find((asset) => asset.name === name);
  }

  #greet(hello) {
    this.#setClock(hello.now);
    const isNew = hello.fleet !== this.#fleetTag;
    this.#fleetTag = hello.fleet;
    if (isNew || !hello.resumed || !this.ready) this.#reload();
    this.#lookAtExposure();
  }

  async #lookAtExposure() {
    this.exposure = await api.exposure();
    this.changed();
  }

  #setClock(now) {
    this.#offsetMs = Date.parse(now) - Date.now();
  }

  async #reload() {
    // Events that come while the lists load are newer than the lists.
    const meanwhile = (this.#loading = []);
    try {
      const recentMs = this.nowMs() - RECENT_MS;
      const [assets, { dispatches, trouble }] = await Promise.all([
        api.assets(),
        api.dispatchesNow(recentMs),
      ]);
      if (this.#loading !== meanwhile) return;
      this.#loading = null;
      this.fleet = withAssets(this.fleet, assets);
      this.dispatches = new Map([...dispatches, ...meanwhile].map((each) => [each.id, each]));
      this.trouble = trouble;
      this.ready = true;
      const groups = new Set(dispatches.map((each) => each.group_id).filter(Boolean));
      for (const id of groups) this.#lookAtGroup(id);
      this.#tell("reload", null);
    } catch {
      if (this.#loading !== meanwhile) return;
      setTimeout(() => this.#loading === meanwhile && this.#reload(), ASSETS_MS);
    }
  }

  #reloadAssets() {
    if (this.#assetsTimer) return;
    const wait = Math.max(300, this.#assetsMs + ASSETS_MS - Date.now());
    this.#assetsTimer = setTimeout(async () => {
      this.#assetsMs = Date.now();
      this.#assetsTimer = 0;
      try {
        this.fleet = withAssets(this.fleet, await api.assets());
        this.changed();
      } catch {
        // The next event, or the next hello, tries again.
      }
    }, wait);
  }

  #lookAtGroup(id) {
    if (this.#groupTimers.has(id)) return;
    const timer = setTimeout(async () => {
      this.#groupTimers.delete(id);
      try {
        this.takeGroup(await api.ask(`/dispatch/${id}`));
      } catch {
        // The parts are shown without the group's own members.
      }
    }, GROUP_MS);
    this.#groupTimers.set(id, timer);
  }

  #forget() {
    const now = this.nowMs();
    for (const [id, dispatch] of this.dispatches) {
      const ended = endedMs(dispatch);
      if (ended !== null && now - ended > LINGER_MS) this.dispatches.delete(id);
    }
  }

  #tell(kind, data) {
    for (const listener of this.#listeners) listener(kind, data);
    this.changed();
  }
}
