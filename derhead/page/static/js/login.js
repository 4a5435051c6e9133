/**
 * Logging in and out: asks for a token when the headend wants to know who calls.
 *
 * The token goes to the headend once. What the browser keeps is a cookie that no script can read.
 */

import * as api from "./api.js";
import { h, setText } from "./dom.js";
import { utc } from "./format.js";
import { LOGGED_IN, REFUSED } from "./live.js";

/** Starts it; `who` is the button with the user's name. */
export function startLogin(who) {
  const login = new LoginDialog(() => {
    showCaller();
    dispatchEvent(new Event(LOGGED_IN));
  });
  const account = new AccountDialog();

  async function showCaller() {
    try {
      const caller = await api.caller();
      who.hidden = !caller?.name;
      if (caller === null) login.open();
      else if (caller.name) setText(who, caller.name);
      account.caller = caller;
    } catch {
      // The headend is away, and the page says so elsewhere.
    }
  }

  addEventListener(api.UNKNOWN_CALLER, () => login.open());
  addEventListener(REFUSED, showCaller);
  who.addEventListener("click", () => account.open());
  showCaller();
}

/** Asks for a token. */
class LoginDialog {
  #done;
  #token = h("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    "aria-describedby": "token-error",
  });
  #error = h("p", { class: "field-error", id: "token-error", role: "alert" });
  #send = h("button", { class: "primary" }, "Log in");
  #dialog;

  constructor(done) {
    this.#done = done;
    this.#dialog = h(
      "dialog",
      { class: "order login", "aria-labelledby": "login-title", oncancel: (e) => e.preventDefault() },
      h("header", {}, h("h2", { id: "login-title" }, "Log in")),
      h(
        "form",
        { onsubmit: (event) => this.#submit(event) },
        h(
          "div",
          { class: "field" },
          h("label", { for: "token" }, "Token"),
          this.#token,
          h("p", { class: "hint" }, "An administrator makes it with derhead token add."),
          this.#error,
        ),
        h("footer", {}, this.#send),
      ),
    );
    document.body.append(this.#dialog);
  }

  open() {
    if (this.#dialog.open) return;
    setText(this.#error, "");
    this.#token.value = "";
    this.#dialog.showModal();
    this.#token.focus();
  }

  async #submit(event) {
    event.preventDefault();
    this.#send.disabled = true;
    setText(this.#error, "");
    try {
      await api.logIn(this.#token.value);
      this.#token.value = "";
      this.#dialog.close();
      this.#done();
    } catch (error) {
      setText(this.#error, error.message);
      this.#token.focus();
    } finally {
      this.#send.disabled = false;
    }
  }
}

/** Who is logged in, where else, and the way out. */
class AccountDialog {
  caller = null;
  #title = h("h2", { id: "account-title" });
  #list = h("ul", { class: "logins" });
  #dialog = h(
    "dialog",
    { class: "order account", "aria-labelledby": "account-title" },
    h(
      "header",
      {},
      this.#title,
      h("button", { type: "button", "aria-label": "Close", onclick: () => this.#dialog.close() }, "\u00d7"),
    ),
    h(
      "div",
      { class: "body" },
      h("h3", {}, "Logged in"),
      this.#list,
      h(
        "button",
        { class: "primary", type: "button", onclick: () => this.#leave() },
        "Log out",
      ),
    ),
  );

  constructor() {
    document.body.append(this.#dialog);
  }

  open() {
    setText(this.#title, `${this.caller.name} (${this.caller.role})`);
    this.#dialog.showModal();
    this.#show();
  }

  async #show() {
    try {
      const found = await api.logins();
      this.#list.replaceChildren(...found.map((login) => this.#item(login)));
    } catch (error) {
      this.#list.replaceChildren(h("li", {}, error.message));
    }
  }

  #item(login) {
    const here = login.id === this.caller.login_id;
    const where = here ? "this browser" : (login.peer ?? "an unknown address");
    return h(
      "li",
      {},
      h("span", {}, `${login.name}, ${where}, since ${utc(new Date(login.created_at))}`),
      here ? null : h("button", { type: "button", onclick: () => this.#end(login.id) }, "End"),
    );
  }

  async #end(id) {
    try {
      await api.endLogin(id);
    } catch {
      // It has ended already; the list says what is left.
    }
    this.#show();
  }

  async #leave() {
    try {
      await api.logOut();
    } finally {
      // Nothing that was shown stays on the screen or in memory.
      location.reload();
    }
  }
}
