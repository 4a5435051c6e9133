/**
 * The page: its frame, and the view in it.
 */

import { startAnnouncing } from "./announce.js";
import { AssetView } from "./assetview.js";
import { DispatchesView } from "./dispatchesview.js";
import { h, setAttribute } from "./dom.js";
import { startFrame } from "./frame.js";
import { startLogin } from "./login.js";
import { OrderDialog } from "./orderdialog.js";
import { OverviewView } from "./overview.js";
import { parseRoute } from "./route.js";
import { Store } from "./store.js";

const store = new Store();
const place = document.getElementById("view");
const orders = new OrderDialog(store);

const VIEWS = {
  overview: (route) => new OverviewView(store, orders, route),
  asset: (route) => new AssetView(store, orders, route),
  dispatches: (route) => new DispatchesView(store, route),
  unknown: () => new UnknownView(),
};

/** The view of an unknown address. */
class UnknownView {
  title = "Nothing here";
  element = h(
    "section",
    { class: "note" },
    h("h1", {}, "There is nothing here"),
    h("p", {}, h("a", { href: "#/" }, "To the overview")),
  );

  update() {}

  close() {}
}

let shown = null;
let shownKey = "";

function show() {
  // "Skip to the content" is not a view.
  if (location.hash === "#view") return;
  const route = parseRoute(location.hash);
  const key = `${route.view}/${route.name ?? ""}`;
  if (shown && key === shownKey) {
    shown.navigate?.(route);
    return;
  }
  const first = shown === null;
  shown?.close();
  shown = VIEWS[route.view](route);
  shownKey = key;
  place.replaceChildren(shown.element);
  for (const link of document.querySelectorAll("nav a")) {
    setAttribute(link, "aria-current", link.dataset.view === route.view ? "page" : null);
  }
  shown.update();
  if (!first) {
    scrollTo(0, 0);
    // A screen reader reads a new view from its heading on.
    const heading = place.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }
}

addEventListener("hashchange", show);
document.getElementById("order").addEventListener("click", () => orders.open(shown?.target));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  place.focus();
});
store.watch(() => shown.update());
startFrame(store, () => shown?.title);
startAnnouncing(store);
startLogin(document.getElementById("who"));
show();
store.start();
