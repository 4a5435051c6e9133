/**
 * Light or dark: the system's choice, or the viewer's, which this browser keeps.
 *
 * This is no module and comes first in the page, since modules run after the first paint.
 */

(function () {
  const KEY = "derhead.theme";
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const WORDS = { auto: "as the system says", light: "light", dark: "dark" };
  const SIGNS = { auto: "\u25d0", light: "\u25cb", dark: "\u25cf" };

  function chosen() {
    try {
      return localStorage.getItem(KEY) in WORDS ? localStorage.getItem(KEY) : "auto";
    } catch {
      return "auto";
    }
  }

  function show(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  function choose(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Without storage the choice lasts until the page is closed.
    }
    show(theme);
  }

  let theme = chosen();
  show(theme);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      button.textContent = SIGNS[theme];
      button.setAttribute("aria-label", `Colours: ${WORDS[theme]}`);
      button.title = `Colours: ${WORDS[theme]}`;
    };
    label();
    button.addEventListener("click", () => {
      theme = NEXT[theme];
      choose(theme);
      label();
    });
  });
})();
