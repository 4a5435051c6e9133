"""A lost stream: the page says since when, and recovers by itself."""

from collections.abc import Iterator

import pytest

from tests.support.fleets import SOLAR
from tests.support.processes.chromium import Browser
from tests.support.processes.proxy import proxy_in_thread
from tests.support.processes.world import World

pytestmark = pytest.mark.e2e

BATTERY_ROW = "tr:has(a[href='#/assets/battery'])"
COLOR = "return getComputedStyle(document.querySelector('.total .value')).color"


@pytest.fixture
def page(world: World, browser: Browser) -> Iterator[Browser]:
    yield browser
    # The console reports the lost stream, and nothing else.
    assert all("net::ERR" in text for text in browser.complaints())
    browser.leave()


def test_a_cut_is_shown_at_once_and_heals_by_itself(world: World, page: Browser) -> None:
    with proxy_in_thread(world.http_port) as link:
        page.open(f"http://127.0.0.1:{link.port}")
        page.wait_text(f"{BATTERY_ROW} .state", "online")
        live = page.run(COLOR)
        assert page.look(".banner") is None
        with link.cut():
            page.wait_text(".banner", "No live data since ")
            page.wait("the seconds go on", lambda: "(2 s)" in page.text(".banner"))
            greyed = page.run(COLOR)
            assert greyed != live
            assert "No live data" in page.run("return document.title")
            page.wait("said", lambda: "No live data." in page.announced())
            assert page.faults() == []
            # Changes in the meantime are not missed.
            dispatch = world.order("battery", 0.5, duration_s=3600)
            world.wait_state(dispatch["id"], "started")
        page.wait("no banner", lambda: page.look(".banner") is None)
        page.wait_text(".overview .open .dispatch", "Running")
        page.wait("said", lambda: "Data is live again." in page.announced())
        page.leave()


def test_a_silent_connection_is_noticed(world: World, page: Browser) -> None:
    with proxy_in_thread(world.http_port) as link:
        page.open(f"http://127.0.0.1:{link.port}")
        page.wait_text(f"{BATTERY_ROW} .state", "online")
        with link.stall():
            page.wait_text(".banner", "No live data since ")
        page.wait("no banner", lambda: page.look(".banner") is None)
        page.leave()


def test_a_restarted_headend_is_asked_again(world: World, page: Browser) -> None:
    (headend,) = (each for each in world.processes if each.log.stem == "derhead")
    page.open(world.base)
    page.wait_text(f"{BATTERY_ROW} .state", "online")
    headend.kill()
    page.wait_text(".banner", "No live data since ")
    world.start_headend()
    world.start_agent(SOLAR)
    page.wait("no banner", lambda: page.look(".banner") is None)
    page.wait("both online", lambda: page.text(".chip.online strong") == "2")
