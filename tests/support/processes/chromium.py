"""Debian's Chromium, driven by Selenium, without a window and without a way outside.

``python -m tests.support.processes.chromium`` prints the paths of Chromium and its driver. It exits
with code 1 if one is missing, and ``scripts/test`` then installs both.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from axe_core_python.base import AXE_SCRIPT
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.support.waiting import PATIENCE_S, eventually

T = TypeVar("T")

PROGRAMS = ("chromium", "chromedriver")

FLAGS = (
    "--headless",
    # Tests may run as root, for whom Chromium has no sandbox. It sees nothing but our own page.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # Without these it looks for its maker's hosts.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--lang=en",
)


def find_programs() -> tuple[str, str] | None:
    """Chromium and its driver; None if one of them is not on this machine."""
    chromium, driver = (shutil.which(name) for name in PROGRAMS)
    return None if chromium is None or driver is None else (chromium, driver)


@contextmanager
def running_chromium(folder: Path, *more_flags: str) -> Iterator[webdriver.Chrome]:
    """A Chromium that has nothing but an empty profile in the folder; gone afterwards."""
    found = find_programs()
    assert found is not None, "Chromium is not here: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in (*FLAGS, *more_flags, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found[1]))
    try:
        driver.set_script_timeout(30)
        yield driver
    finally:
        driver.quit()


class Browser:
    """One window, seen as its user sees it: by roles, names and text."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    # --- looking ------------------------------------------------------------------------

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Opens an address in a window of that size."""
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(url)

    def leave(self) -> None:
        """Goes to an empty page, from a headend that is about to end."""
        self.driver.get("about:blank")

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def wait_size(self, width: int) -> None:
        """Waits until the page has been laid out for a window of that width, in two frames."""
        two = "const done = arguments[0], next = requestAnimationFrame; next(() => next(done));"
        self.wait("the new size", lambda: self.run("return innerWidth") == width)
        self.driver.execute_async_script(two)

    def find(self, css: str, text: str | None = None) -> WebElement:
        """The first element that can be seen, and has that text in it; waits until there is one."""
        return eventually(f"{css} {text or ''}", lambda: self.look(css, text))

    def look(self, css: str, text: str | None = None) -> WebElement | None:
        """As ``find``, without waiting."""
        try:
            for element in self.driver.find_elements(By.CSS_SELECTOR, css):
                if element.is_displayed() and (text is None or text in element.text):
                    return element
        except StaleElementReferenceException:
            pass
        return None

    def text(self, css: str) -> str:
        """The text of the first such element, as it can be seen; "" if there is none."""
        found = self.run(
            "const e = document.querySelector(arguments[0]);"
            "return e?.checkVisibility() ? e.innerText : ''",
            css,
        )
        assert isinstance(found, str)
        return found

    def wait(self, what: str, look: Callable[[], T | None], within_s: float = PATIENCE_S) -> T:
        """As ``eventually``; says what stood on the page if it fails."""
        try:
            return eventually(what, look, within_s)
        except AssertionError as failed:
            raise AssertionError(f"{failed}\n{self.text('body')}") from None

    def wait_text(self, css: str, text: str, within_s: float = PATIENCE_S) -> None:
        self.wait(f"{text!r} in {css}", lambda: text in self.text(css), within_s)

    def announced(self) -> str:
        """What a screen reader was told last."""
        found = self.run("return document.getElementById('said').textContent")
        assert isinstance(found, str)
        return found

    # --- doing --------------------------------------------------------------------------

    def click(self, css: str, text: str | None = None) -> None:
        self.find(css, text).click()

    def type(self, css: str, text: str) -> None:
        """Replaces what stands in a field."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def press_tab_to(self, css: str, most: int = 60) -> None:
        """Presses Tab until such an element has the focus."""
        for _ in range(most):
            if self.run("return document.activeElement.matches(arguments[0])", css):
                return
            self.press(Keys.TAB)
        focused = self.run("return document.activeElement.outerHTML")
        raise AssertionError(f"the tab key does not lead to {css}; it is at {focused}")

    # --- scripts ------------------------------------------------------------------------

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def module(self, name: str, body: str, *arguments: object) -> Any:
        """Runs a function's body in the page, where ``m`` is that module, ``a`` the arguments."""
        answer = self.driver.execute_async_script(
            "const [...a] = arguments; const done = a.pop();"
            f"import('/page/js/{name}').then((m) => {{ {body} }})"
            ".then((value) => done({value}), (error) => done({error: String(error)}));",
            *arguments,
        )
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def cpu_s(self) -> float:
        """CPU time that the page's main thread has used, in seconds, from the first call on."""
        self.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        metrics = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    # --- judging ------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """What axe finds that it calls serious or critical, with where."""
        self.run(AXE_SCRIPT)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run({resultTypes: ['violations']}).then((r) => done(r.violations));"
        )
        return [
            f"{each['id']}: {node['html'][:160]} ({node['failureSummary']})"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def overflow_px(self) -> int:
        """How much wider than the window the page is."""
        wider = self.run("return document.documentElement.scrollWidth - innerWidth")
        assert isinstance(wider, int)
        return wider

    def complaints(self) -> list[str]:
        """What the console has said since it was asked last: errors, and breaches of the policy."""
        entries: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [e["message"] for e in entries if e["level"] in ("SEVERE", "WARNING")]


if __name__ == "__main__":
    programs = find_programs()
    print(json.dumps(programs))
    sys.exit(programs is None)
