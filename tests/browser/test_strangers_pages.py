"""Web pages of strangers in the browser of an operator: they read nothing and order nothing."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium.webdriver import Chrome

from tests.support.processes.chromium import Browser, running_chromium
from tests.support.processes.world import World
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

SANDBOXED = "/sandboxed"
"""A page without an origin: its requests say ``null``."""

TRIES = """
const [base, done] = arguments;
const order = {method: "POST", body: '{"asset_id": "battery", "mw": 1, "duration_s": 60}'};
const json = {headers: {"content-type": "application/json"}};
const tries = [
  fetch(`${base}/telemetry`),
  fetch(`${base}/telemetry/battery`, {mode: "no-cors"}),
  fetch(`${base}/dispatch`, {...order, ...json}),
  fetch(`${base}/dispatch`, {...order, mode: "no-cors"}),
];
Promise.allSettled(tries).then((all) => done(all.map((each) => each.value?.status || 0)));
"""


class StrangersPage(BaseHTTPRequestHandler):
    """Serves an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        if self.path == SANDBOXED:
            self.send_header("Content-Security-Policy", "sandbox allow-scripts")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a web server on loopback that is not ours."""
    with ThreadingHTTPServer(("127.0.0.1", 0), StrangersPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A Chromium for which the stranger's name stands for our machine."""
    rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    with running_chromium(tmp_path_factory.mktemp("chromium"), rules) as driver:
        yield driver


def refused(world: World) -> list[str]:
    """Method and path of each request that was refused, in their order."""
    text = "".join(process.text() for process in world.processes)
    keys = r"method=(\w+) path=(\S+) peer=127\.0\.0\.1 status=403 "
    return sorted(f"{method} '{path}'" for method, path in re.findall(keys, text))


def test_strangers_pages_read_nothing_and_order_nothing(
    world: World, stranger: int, chrome: Chrome
) -> None:
    page = Browser(chrome)
    origins = [
        f"http://127.0.0.1:{stranger}/",
        f"http://evil.localhost:{stranger}/",
        f"http://evil.example:{stranger}/",
        f"http://127.0.0.1:{stranger}{SANDBOXED}",
    ]
    for origin in origins:
        page.open(origin)
        # A page cannot even read the status of an answer that it may not see.
        assert chrome.execute_async_script(TRIES, world.base) == [0, 0, 0, 0]
    each = ["GET '/telemetry'", "GET '/telemetry/battery'", "OPTIONS '/dispatch'"]
    expected = sorted([*each, "POST '/dispatch'"] * len(origins))
    eventually("every request was refused", lambda: refused(world) == expected)
    assert world.get("/dispatch/history")["items"] == []
    page.leave()


def test_a_name_that_is_bound_to_the_headend_later_reads_nothing_and_orders_nothing(
    world: World, chrome: Chrome
) -> None:
    page = Browser(chrome)
    # The browser takes both for one site: its page of before is where it asks now.
    rebound = f"http://evil.example:{world.http_port}"
    page.open(f"{rebound}/telemetry")
    assert "http_allowed_hosts" in page.text("body")
    assert chrome.execute_async_script(TRIES, rebound) == [403, 403, 403, 403]
    assert world.get("/dispatch/history")["items"] == []
    page.leave()


def test_the_headends_own_page_orders_by_either_name(world: World, chrome: Chrome) -> None:
    page = Browser(chrome)
    for number, host in enumerate(("127.0.0.1", "localhost"), 1):
        base = f"http://{host}:{world.http_port}"
        page.open(base)
        assert chrome.execute_async_script(TRIES, base) == [200, 200, 201, 415]
        assert len(world.get("/dispatch/history")["items"]) == number
    page.leave()
