"""A Chromium for all tests of a process, and a headend with agents for it to show."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.support.processes.chromium import Browser, running_chromium


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
