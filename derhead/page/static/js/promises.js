/**
 * How well promises held in the last seven days: of the fleet, and the assets that were worst.
 */

import { ask } from "./api.js";
import { h, keyed, setAttribute, setText } from "./dom.js";
import { count, day, seconds, share, span } from "./format.js";
import { assetHref } from "./route.js";

/** Time between two requests; the sums of seven days move slowly. */
const PERIOD_MS = 60_000;
const WORST = 3;

/** A card of the overview. It asks by itself while the page is visible. */
export class PromisePanel {
  constructor(store) {
    this.store = store;
    this.figures = {
      telemetry: new Figure("Telemetry \u2264\u00a010\u00a0s"),
      availability: new Figure("Connected"),
      dispatch: new Figure("Dispatches \u2264\u00a02\u00a0s"),
      outage: new Figure("Longest outage"),
      reconnects: new Figure("Reconnects"),
    };
    this.list = h(
      "dl",
      { class: "kept", hidden: true },
      ...Object.values(this.figures).map((each) => each.element),
    );
    this.note = h("p", { class: "hint" }, "Loading");
    this.worst = h("ul", { class: "worst" });
    this.show = keyed(
      this.worst,
      (item) => item.id,
      () => h("li", {}, h("a", {}), h("span", { class: "hint" })),
      changeWorst,
    );
    this.element = h(
      "section",
      { class: "card promises", "aria-labelledby": "promises-title" },
      h("h2", { id: "promises-title" }, "Promises, seven days"),
      this.list,
      this.worst,
      this.note,
    );
    this.timer = setInterval(() => document.hidden || this.load(), PERIOD_MS);
    this.stop = store.listen((kind) => kind === "reload" && this.load());
    if (store.ready) this.load();
  }

  close() {
    clearInterval(this.timer);
    this.stop();
  }

  async load() {
    try {
      const [fleet, worst] = await Promise.all([
        ask("/slo"),
        ask(`/slo?by=asset&limit=${WORST}`),
      ]);
      this.#update(fleet.items[0], worst.items);
    } catch (error) {
      setText(this.note, `They cannot be read: ${error.message}.`);
    }
  }

  #update(fleet, worst) {
    const { telemetry, availability, dispatch, outage, reconnects } = this.figures;
    this.list.hidden = fleet.assets === 0;
    for (const [name, figure] of Object.entries({ telemetry, availability, dispatch })) {
      const missed = fleet.missed.includes(name);
      const goal = `goal ${share(fleet.objectives[name])}`;
      figure.update(share(fleet[name]), missed ? `${goal}, missed` : goal, missed);
    }
    const p99 = fleet.started_p99_s;
    if (p99 !== null) dispatch.add(`p99 ${seconds(p99)}`);
    outage.update(fleet.outages ? span(fleet.longest_outage_s) : "None", "");
    if (fleet.outages) outage.add(`${count(fleet.outages, "outage")} in all`);
    reconnects.update(String(fleet.reconnects), "");
    this.show(worst.filter((item) => item.budget_used > 0));
    const since = fleet.assets ? `Since ${day(new Date(fleet.from_at))}.` : "";
    setText(this.note, since || "No asset has sent a sample yet.");
  }
}

/** One figure: its name, its value, and what it is measured against. */
class Figure {
  constructor(name) {
    this.value = h("span", { class: "value" });
    this.hint = h("span", { class: "hint" });
    this.element = h("div", {}, h("dt", {}, name), h("dd", {}, this.value, this.hint));
  }

  update(value, hint, missed = false) {
    setText(this.value, value);
    setText(this.hint, hint);
    setAttribute(this.element, "data-missed", missed);
  }

  /** Adds to the hint. */
  add(text) {
    setText(this.hint, [this.hint.textContent, text].filter(Boolean).join("; "));
  }
}

function changeWorst(element, item) {
  const [link, text] = element.children;
  setText(link, item.name);
  setAttribute(link, "href", assetHref(item.name));
  const parts = [`telemetry ${share(item.telemetry)}`, `connected ${share(item.availability)}`];
  if (item.missed.includes("dispatch")) parts.push(`dispatches ${share(item.dispatch)}`);
  if (item.outages) parts.push(`longest outage ${span(item.longest_outage_s)}`);
  setText(text, parts.join(", "));
}
