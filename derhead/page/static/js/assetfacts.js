/**
 * An asset's present values in large figures, and its other facts.
 */

import { h, setAttribute, setText } from "./dom.js";
import { ageS } from "./fleet.js";
import { amount, digitsFor, doing, percent, power, signed, span, utc, when } from "./format.js";

const QUALITY = {
  clock_skew: "its agent's clock is off, so its times are not to be believed",
  implausible: "the value is beyond what the asset can do",
  stale_device: "the device does not answer; this is its last value",
  backfilled: "it came later, after an outage",
};

const STATES = { online: "Online", stale: "Stale", offline: "Offline" };

export class AssetFacts {
  constructor(store) {
    this.store = store;
    this.state = h("span", { class: "value" });
    this.mark = h("span", { class: "mark", "aria-hidden": "true" });
    this.stateNote = h("span", { class: "hint" });
    this.power = figure();
    this.setpoint = figure();
    this.charge = figure();
    this.more = new Map();
    this.doubts = h("p", { class: "doubts" });
    this.list = h("dl", { class: "facts" });
    this.chargeBox = box("State of charge", this.charge);
    this.stateBox = h(
      "div",
      { class: "state-box" },
      h("dt", {}, "State"),
      h("dd", {}, this.mark, this.state, this.stateNote),
    );
    this.element = h(
      "section",
      { class: "card now", "aria-label": "Now" },
      h(
        "dl",
        { class: "figures" },
        box("Power", this.power),
        box("Setpoint", this.setpoint),
        this.chargeBox,
        this.stateBox,
      ),
      this.doubts,
      this.list,
    );
  }

  update(asset, item, state) {
    const digits = digitsFor(asset.rated_mw);
    show(this.power, signed(item?.p_mw, digits), doing(item?.p_mw, asset.kind, digits), "MW");
    const told = item?.setpoint_mw ?? null;
    show(
      this.setpoint,
      told === null ? "none" : signed(told, digits),
      "",
      told === null ? "" : "MW",
    );
    this.chargeBox.hidden = asset.kind !== "battery";
    show(this.charge, percent(item?.soc), "", "");
    setText(this.state, STATES[state]);
    setAttribute(this.stateBox, "data-state", state);
    const age = ageS(item, Date.now());
    setText(this.stateNote, age === null ? "It was never heard." : `Measured ${span(age)} ago`);
    const doubts = (item?.quality ?? []).map((each) => QUALITY[each] ?? each);
    if (item?.status === "fault") doubts.unshift("the device reports a fault");
    setText(this.doubts, doubts.length ? `Note: ${doubts.join("; ")}.` : "");
    this.#showMore(asset, item);
  }

  #showMore(asset, item) {
    const now = new Date(this.store.nowMs());
    const ts = item?.ts ? new Date(item.ts) : null;
    this.#fact("Can do", `${power(asset.limits.min_mw)} to ${power(asset.limits.max_mw)}`);
    this.#fact("Rated", amount(asset.rated_mw));
    this.#fact("Device", item?.status ?? null);
    this.#fact("Reactive", item && item.q_mvar !== null ? `${signed(item.q_mvar)} Mvar` : null);
    this.#fact(
      "Voltage",
      item && item.voltage_v !== null ? `${item.voltage_v.toFixed(1)} V` : null,
    );
    this.#fact(
      "Frequency",
      item && item.frequency_hz !== null ? `${item.frequency_hz.toFixed(3)} Hz` : null,
    );
    this.#fact("Agent", asset.agent_id);
    this.#fact("Measured", ts && when(ts, now), ts && utc(ts));
  }

  #fact(name, text, title = null) {
    let value = this.more.get(name);
    if (!value) {
      value = h("dd", { "data-live": true });
      this.more.set(name, value);
      this.list.append(h("div", {}, h("dt", {}, name), value));
    }
    setText(value, text ?? "\u2013");
    setAttribute(value, "title", title);
  }
}

function figure() {
  return {
    value: h("span", { class: "value" }),
    unit: h("span", { class: "unit" }),
    word: h("span", { class: "word" }),
  };
}

function box(name, { value, unit, word }) {
  return h("div", {}, h("dt", {}, name), h("dd", { "data-live": true }, value, unit, word));
}

function show(place, value, word, unit) {
  setText(place.value, value);
  setText(place.unit, unit);
  setText(place.word, word);
}
