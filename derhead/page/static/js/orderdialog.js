/**
 * The dispatch form: fill in, check with the headend, confirm, follow.
 *
 * Nothing is ordered before the form has shown the headend's own sentence about the result. An order
 * that may or may not have arrived is sent again with the same key, so that it is placed once.
 */

import { Refused, newKey, placeOrder, preview } from "./api.js";
import { DispatchList } from "./dispatchlist.js";
import { h, setAttribute, setText } from "./dom.js";
import { makeOrder, newFields, placeErrors, tooMuch, warningsOf } from "./order.js";
import { OrderFields } from "./orderfields.js";

export class OrderDialog {
  constructor(store) {
    this.store = store;
    this.stage = "fill";
    this.fields = new OrderFields(store, () => this.#refill());
    this.sentence = h("p", { class: "sentence" });
    this.warnings = h("ul", { class: "warnings" });
    this.check = h(
      "div",
      { class: "check", tabindex: "-1", role: "group", "aria-label": "What would happen" },
      this.sentence,
      this.warnings,
    );
    this.trouble = h("p", { class: "refusal", role: "alert" });
    this.list = new DispatchList(store, "");
    this.follow = h(
      "div",
      { class: "follow", tabindex: "-1", role: "group", "aria-label": "What becomes of it" },
      this.list.element,
    );
    this.back = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.#back() },
      "Change",
    );
    this.go = h("button", { type: "submit", class: "primary" });
    this.title = h("h2", { id: "order-title" }, "New dispatch");
    this.form = h(
      "form",
      { novalidate: true, onsubmit: (event) => this.#submit(event) },
      this.fields.element,
      this.check,
      this.follow,
      this.trouble,
      h("footer", {}, this.back, this.go),
    );
    this.dialog = h(
      "dialog",
      { class: "order", "aria-labelledby": "order-title" },
      h(
        "header",
        {},
        this.title,
        h(
          "button",
          {
            type: "button",
            class: "quiet",
            "aria-label": "Close",
            onclick: () => this.dialog.close(),
          },
          "\u2715",
        ),
      ),
      this.form,
    );
    this.dialog.addEventListener("close", () => (this.placed = null));
    document.body.append(this.dialog);
    store.watch(() => this.#update());
  }

  /** Opens the form, for `{target, name}` if given. */
  open(of = {}) {
    this.placed = null;
    this.fields.fill(newFields(of?.target ?? "asset", of?.name ?? ""));
    this.#show("fill");
    this.dialog.showModal();
    this.fields.focusFirst();
  }

  #show(stage) {
    this.stage = stage;
    this.fields.element.hidden = stage === "follow";
    setAttribute(this.fields.element, "inert", stage !== "fill");
    this.check.hidden = stage !== "check";
    this.follow.hidden = stage !== "follow";
    this.back.hidden = stage !== "check";
    this.go.disabled = false;
    setText(this.go, { fill: "Check", check: "Confirm dispatch", follow: "Close" }[stage]);
    setText(this.title, stage === "follow" ? "Dispatched" : "New dispatch");
    setText(this.trouble, "");
    setAttribute(this.dialog, "data-stage", stage);
  }

  #submit(event) {
    event.preventDefault();
    if (this.stage === "fill") this.#check();
    else if (this.stage === "check") this.#confirm();
    else this.dialog.close();
  }

  #back() {
    this.#show("fill");
    this.fields.focusFirst();
  }

  #refill() {
    setText(this.trouble, "");
  }

  async #check() {
    const made = makeOrder(this.fields.read());
    this.fields.showErrors(made.errors ?? {});
    if (made.errors) return;
    const found = await this.#ask("Checking", () => preview(made.body));
    if (found === null) return;
    if (tooMuch(found)) {
      this.#show("fill");
      this.fields.showErrors({ mw: tooMuch(found) });
      return;
    }
    this.body = made.body;
    // One key for each checked order, however often it is sent.
    this.key = newKey();
    this.#show("check");
    setText(this.sentence, found.sentence);
    this.warnings.replaceChildren(...warningsOf(found).map((text) => h("li", {}, text)));
    this.check.focus();
  }

  async #confirm() {
    const placed = await this.#ask("Sending", () => placeOrder(this.body, this.key));
    if (placed === null) return;
    this.store.takeAnswer(placed);
    this.placed = placed.id;
    this.#show("follow");
    this.#update();
    this.follow.focus();
  }

  /** The answer; null if there is none, and then the form says why. */
  async #ask(word, request) {
    const stage = this.stage;
    this.go.disabled = true;
    setText(this.go, word);
    setText(this.trouble, "");
    try {
      return await request();
    } catch (error) {
      // The form may have been closed and opened again meanwhile.
      if (this.stage !== stage) return null;
      this.#showTrouble(error, stage);
      return null;
    }
  }

  #showTrouble(error, stage) {
    if (error instanceof Refused) {
      const { form, ...errors } = placeErrors(error.problem);
      this.#show(Object.keys(errors).length ? "fill" : stage);
      this.fields.showErrors(errors);
      setText(this.trouble, form ?? "");
    } else {
      this.#show(stage);
      setText(
        this.trouble,
        stage === "check"
          ? "No answer came: the headend may have taken it. Confirming again is safe, it is dispatched once."
          : "The headend does not answer. Try again.",
      );
    }
  }

  #update() {
    if (!this.dialog.open) return;
    this.fields.offer();
    if (this.stage !== "follow" || !this.placed) return;
    const { dispatches } = this.store;
    const single = dispatches.get(this.placed);
    const parts = [...dispatches.values()].filter((each) => each.group_id === this.placed);
    if (single) this.list.update([{ id: single.id, single }]);
    else if (parts.length) this.list.update([{ id: this.placed, parts }]);
  }
}
