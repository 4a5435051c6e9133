/**
 * The fields of the dispatch form, each with label, unit and error.
 */

import { h, keyed, setAttribute, setText } from "./dom.js";
import { amount, kindName, power, span } from "./format.js";
import { readNumber, splitSign } from "./order.js";

export class OrderFields {
  constructor(store, onchange) {
    this.store = store;
    const input = (name, attributes) =>
      h("input", { id: `order-${name}`, name, autocomplete: "off", ...attributes });
    this.name = input("name", { list: "order-names", required: true });
    this.names = h("datalist", { id: "order-names" });
    this.mw = input("mw", { inputmode: "decimal", required: true, oninput: () => this.#sign() });
    this.duration = input("duration", { inputmode: "decimal" });
    this.unit = h(
      "select",
      { id: "order-unit", "aria-label": "Unit of the time" },
      h("option", { value: "min" }, "minutes"),
      h("option", { value: "h" }, "hours"),
    );
    this.forever = input("forever", { type: "checkbox" });
    this.start = input("start", { type: "datetime-local", step: "1" });
    this.target = choice("target", "Dispatch", [
      ["asset", "One asset"],
      ["site", "A whole site"],
    ]);
    this.direction = choice("direction", "Direction", [
      ["in", "Into the grid (+)"],
      ["out", "Out of the grid (\u2212)"],
    ]);
    this.starts = choice("starts", "Starts", [
      ["now", "Now"],
      ["at", "At a time"],
    ]);
    this.hint = h("p", { class: "hint", id: "order-name-hint" });
    this.echo = h("p", { class: "hint", id: "order-mw-hint" });
    this.errors = new Map();
    this.startField = this.#field("start", "Start, your local time", [this.start]);
    this.nameField = this.#field("name", "Asset", [this.name, this.names, this.hint]);
    const length = h("div", { class: "row" }, this.duration, this.unit);
    this.element = h(
      "div",
      {
        class: "fields",
        oninput: () => {
          this.#adapt();
          onchange();
        },
      },
      this.target,
      this.nameField,
      this.direction,
      this.#field("mw", "Power, MW", [this.mw, this.echo]),
      this.#field("duration", "For", [
        length,
        h("label", { class: "check-box" }, this.forever, "Until it is replaced"),
      ]),
      this.starts,
      this.startField,
    );
    this.offerNames = keyed(
      this.names,
      (name) => name,
      (name) => h("option", { value: name }),
      () => {},
    );
  }

  /** Puts values into the fields. */
  fill(fields) {
    for (const name of ["name", "mw", "duration", "unit", "start"]) this[name].value = fields[name];
    for (const name of ["target", "direction", "starts"]) this[name].choose(fields[name]);
    this.forever.checked = fields.forever;
    this.offered = null;
    this.showErrors({});
    this.#adapt();
  }

  /** The values of the fields. */
  read() {
    return {
      target: this.target.chosen(),
      name: this.name.value,
      direction: this.direction.chosen(),
      mw: this.mw.value,
      forever: this.forever.checked,
      duration: this.duration.value,
      unit: this.unit.value,
      starts: this.starts.chosen(),
      start: this.start.value,
    };
  }

  /** Shows errors, `{field: text}`, and focuses the first field with one. */
  showErrors(errors) {
    let first = null;
    for (const [name, place] of this.errors) {
      const text = errors[name] ?? "";
      setText(place, text);
      setAttribute(this[name], "aria-invalid", text ? "true" : null);
      if (text) first ??= this[name];
    }
    first?.focus();
  }

  /** Focuses the first empty field. */
  focusFirst() {
    (this.name.value ? this.mw : this.name).focus();
  }

  /** Offers the known names, and shows facts about the chosen one. */
  offer() {
    const site = this.target.chosen() === "site";
    const assets = [...this.store.fleet.assets.values()];
    const names = [...new Set(assets.map((asset) => (site ? asset.site_name : asset.name)))].sort();
    const key = `${site}/${names.length}`;
    if (this.offered !== key) {
      this.offered = key;
      this.offerNames(names);
    }
    setText(this.hint, site ? this.#aboutSite(assets) : this.#aboutAsset());
  }

  #aboutAsset() {
    const asset = this.store.findAsset(this.name.value.trim());
    if (!asset) return "";
    const item = this.store.fleet.latest.get(asset.id);
    const now = item && !item.stale ? `, now ${power(item.p_mw)}` : asset.online ? "" : ", offline";
    const { min_mw: low, max_mw: high } = asset.limits;
    return `${kindName(asset.kind)} at ${asset.site_name}: ${power(low)} to ${power(high)}${now}`;
  }

  #aboutSite(assets) {
    const here = assets.filter((asset) => asset.site_name === this.name.value.trim());
    if (here.length === 0) return "";
    const online = here.filter((asset) => asset.online).length;
    return `${online} of ${here.length} assets online. The headend splits the power among them.`;
  }

  #sign() {
    const { direction, mw } = splitSign(this.mw.value, this.direction.chosen());
    if (mw === this.mw.value) return;
    this.mw.value = mw;
    this.direction.choose(direction);
  }

  #adapt() {
    const fields = this.read();
    setText(this.nameField.label, fields.target === "site" ? "Site" : "Asset");
    this.duration.disabled = this.unit.disabled = fields.forever;
    this.startField.hidden = fields.starts === "now";
    if (fields.starts === "at" && !this.start.value) this.start.value = soon();
    const mw = readNumber(fields.mw);
    const length = fields.forever ? null : readNumber(fields.duration);
    setText(this.echo, mw === null || mw === 0 ? "" : this.#echo(fields, mw, length));
    this.offer();
  }

  #echo({ direction, unit }, mw, length) {
    const way = direction === "in" ? "into the grid" : "out of the grid";
    const time = length ? ` for ${span(length * (unit === "h" ? 3600 : 60))}` : "";
    return `${amount(mw)} ${way}${time}`;
  }

  #field(name, text, controls) {
    const error = h("p", { class: "field-error", id: `order-${name}-error` });
    const described = [
      ...controls.map((each) => each.id).filter((id) => id.endsWith("-hint")),
      error.id,
    ];
    setAttribute(this[name], "aria-describedby", described.join(" "));
    this.errors.set(name, error);
    const label = h("label", { for: `order-${name}` }, text);
    const element = h("div", { class: "field", "data-field": name }, label, ...controls, error);
    element.label = label;
    return element;
  }
}

/** Two or three radio buttons that look like one switch. */
function choice(name, legend, options) {
  const radios = options.map(([value]) =>
    h("input", { type: "radio", name, value, id: `order-${name}-${value}` }),
  );
  const element = h(
    "fieldset",
    { class: "choice" },
    h("legend", {}, legend),
    h(
      "div",
      { class: "switch" },
      ...options.map(([, text], index) => h("label", {}, radios[index], h("span", {}, text))),
    ),
  );
  element.choose = (value) => radios.forEach((radio) => (radio.checked = radio.value === value));
  element.chosen = () => radios.find((radio) => radio.checked)?.value ?? options[0][0];
  return element;
}

/** The next full quarter of an hour, as a local date and time for a field. */
function soon() {
  const quarter = 15 * 60_000;
  const date = new Date(Math.ceil((Date.now() + 60_000) / quarter) * quarter);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
