"""Dispatches through the page's form, down to a real device and back."""

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.fleets import LOAD
from tests.support.processes.chromium import Browser
from tests.support.processes.proxy import proxy_in_thread
from tests.support.processes.world import World

pytestmark = pytest.mark.e2e


@pytest.fixture
def page(world: World, browser: Browser) -> Iterator[Browser]:
    browser.open(world.base)
    browser.wait_text("tr:has(a[href='#/assets/battery']) .state", "online")
    yield browser
    # Before its headend ends.
    browser.leave()


def fill(page: Browser, *, mw: str, minutes: str, name: str = "battery") -> None:
    page.click("#order")
    page.type("#order-name", name)
    page.type("#order-mw", mw)
    page.type("#order-duration", minutes)


def test_a_dispatch_is_checked_confirmed_seen_started_and_seen_ended(
    page: Browser, world: World
) -> None:
    # A busy browser needs a while to show that it runs.
    fill(page, mw="1.5", minutes="0.15")
    page.click("dialog label", "Out of the grid")
    page.click("dialog button", "Check")
    page.wait_text(".sentence", "battery is online and would hold -1.5 MW from now for 9 s")
    assert world.get("/dispatch/history")["items"] == []
    page.click("dialog button", "Confirm dispatch")
    page.wait_text("dialog .dispatch", "Running")
    page.wait_text("dialog .dispatch", "\u22121.50 MW, out of the grid")
    page.wait_text("dialog .dispatch .badge", "Done")
    page.wait_text("dialog .dispatch", "Held within 0.1 MW")
    page.click("dialog button", "Close")
    page.wait_text(".overview .open .dispatch .badge", "Done")
    page.wait("said", lambda: "Dispatch of battery: Done." in page.announced())
    (dispatch,) = world.get("/dispatch/history")["items"]
    assert (dispatch["mw"], dispatch["state"]) == (-1.5, "completed")


def test_a_dispatch_by_the_keyboard_alone(page: Browser, world: World) -> None:
    page.press_tab_to("#order")
    page.press(Keys.ENTER)
    page.press(*"battery", Keys.TAB)
    page.press_tab_to("#order-direction-in")
    # Two radio buttons are one stop; arrows choose.
    page.press(Keys.ARROW_RIGHT)
    page.press_tab_to("#order-mw")
    page.press(*"0.25")
    page.press_tab_to("#order-duration")
    page.press(Keys.ENTER)
    page.wait_text(".sentence", "would hold -0.25 MW from now for 15 min")
    page.press_tab_to("dialog footer .primary")
    page.press(Keys.ENTER)
    page.wait_text("dialog .dispatch .badge", "Running")
    page.press(Keys.ESCAPE)
    page.wait("the form is closed", lambda: page.look("dialog") is None)
    page.press_tab_to(".overview .open .dispatch footer button")
    page.press(Keys.ENTER)
    page.wait_text(".overview .open .dispatch footer", "Yes, withdraw it")
    page.press(Keys.ENTER)
    page.wait_text(".overview .open .dispatch .badge", "Withdrawn")
    (dispatch,) = world.get("/dispatch/history")["items"]
    assert dispatch["state"] == "cancelled"


def test_errors_appear_at_their_fields(page: Browser, world: World) -> None:
    page.click("#order")
    page.click("dialog button", "Check")
    page.wait_text("#order-name-error", "Choose an asset.")
    assert page.run("return document.activeElement.id") == "order-name"
    page.type("#order-name", "nobody")
    page.type("#order-mw", "99")
    page.type("#order-duration", "15")
    page.click("dialog button", "Check")
    page.wait_text("#order-name-error", "No asset has the id or name 'nobody'")
    page.type("#order-name", "battery")
    page.click("dialog button", "Check")
    page.wait_text("#order-mw-error", "99 MW is beyond its limits, -2 to 2 MW.")
    assert page.run("return document.activeElement.getAttribute('aria-invalid')") == "true"
    # The headend's refusal is not an error of the page.
    assert all("status of 4" in text for text in page.complaints())
    page.type("#order-mw", "-0.5")
    assert page.run("return document.getElementById('order-direction-out').checked")
    page.click("dialog button", "Check")
    page.wait_text(".sentence", "would hold -0.5 MW")
    assert page.faults() == []
    page.press(Keys.ESCAPE)
    assert world.get("/dispatch/history")["items"] == []


def test_a_site_is_dispatched_as_one(page: Browser, world: World) -> None:
    world.start_agent(LOAD)
    world.wait_online(LOAD)
    page.click(".tiles .order")
    assert page.run("return document.getElementById('order-name').value") == "mesa"
    page.type("#order-mw", "0.5")
    page.click("dialog button", "Check")
    page.wait_text(".sentence", "mesa")
    page.click("dialog button", "Confirm dispatch")
    page.wait_text("dialog .dispatch", "Site mesa")
    page.wait_text("dialog .dispatch .badge", "Running")
    page.click("dialog button", "Close")
    page.wait_text(".overview .open .dispatch", "1 of 1 asset running.")
    page.click(".overview .open .dispatch button", "Withdraw")
    page.click(".overview .open .dispatch button", "Yes, withdraw it")
    page.wait_text(".overview .open .dispatch .badge", "Withdrawn")


def test_a_lost_answer_is_retried_and_dispatched_once(world: World, browser: Browser) -> None:
    with proxy_in_thread(world.http_port) as link:
        browser.open(f"http://127.0.0.1:{link.port}")
        browser.wait_text("tr:has(a[href='#/assets/battery']) .state", "online")
        fill(browser, mw="0.5", minutes="10")
        browser.click("dialog button", "Check")
        browser.wait_text(".sentence", "would hold 0.5 MW")
        with link.lose_answers():
            browser.click("dialog button", "Confirm dispatch")
            browser.wait_text("dialog .refusal", "Confirming again is safe")
        browser.click("dialog button", "Confirm dispatch")
        browser.wait_text("dialog .dispatch .badge", "Running")
        assert len(world.get("/dispatch/history")["items"]) == 1
        # The console reports only the lost request.
        assert all("net::ERR" in text for text in browser.complaints())
        browser.leave()
