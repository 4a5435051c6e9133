"""A Chromium for all tests of a process, and a headend with agents for it to show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.chromium import Browser, running_chromium
from tests.support.processes.world import FAST, World, running


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with running_chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def browser(chromium: Chrome) -> Iterator[Browser]:
    """An empty window. At the test's end nothing in the console has complained."""
    browser = Browser(chromium)
    browser.complaints()
    yield browser
    complaints = browser.complaints()
    browser.leave()
    assert complaints == []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A headend of three assets, of which the battery has an agent."""
    with running(tmp_path, fleet(), FAST) as world:
        world.start(BATTERY)
        yield world
