/**
 * All dispatches, newest first, page by page.
 */

import { ask } from "./api.js";
import { DispatchTable } from "./dispatchtable.js";
import { h, setText } from "./dom.js";

/** The view at `#/dispatches`. */
export class DispatchesView {
  title = "Dispatches \u00b7 derhead";

  constructor(store) {
    this.store = store;
    this.table = new DispatchTable(store, { named: true });
    this.note = h("p", { class: "hint", role: "status" }, "Loading");
    this.more = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.#load() },
      "Show earlier",
    );
    this.more.hidden = true;
    this.element = h(
      "div",
      { class: "dispatches" },
      h("h1", {}, "Dispatches"),
      h(
        "section",
        { class: "card", "aria-label": "Dispatches" },
        this.table.element,
        this.note,
        this.more,
      ),
    );
    this.cursor = "";
    this.unlisten = store.listen((kind, dispatch) => {
      if (kind === "dispatch") this.table.take([dispatch]);
      if (kind === "reload") this.#restart();
    });
    this.#load();
  }

  close() {
    this.unlisten();
  }

  update() {
    this.table.update();
  }

  #restart() {
    this.cursor = "";
    this.#load();
  }

  async #load() {
    const cursor = this.cursor ? `&cursor=${encodeURIComponent(this.cursor)}` : "";
    try {
      const page = await ask(`/dispatch/history?limit=50${cursor}`);
      this.table.take(page.items);
      this.cursor = page.next_cursor;
      this.more.hidden = page.next_cursor === null;
      setText(this.note, this.table.size ? "" : "Nothing was ever dispatched.");
    } catch (error) {
      setText(this.note, `They cannot be read: ${error.message}.`);
    }
    this.table.update();
  }
}
