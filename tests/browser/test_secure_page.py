"""The page over TLS: HTTP/2 for all of it, its stream included, also while certificates change."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.certificates import TestAuthority
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.chromium import Browser, running_chromium
from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

BATTERY_ROW = "tr:has(a[href='#/assets/battery'])"
PROTOCOLS = (
    "return [...new Set([...performance.getEntriesByType('navigation'),"
    " ...performance.getEntriesByType('resource')].map(each => each.nextHopProtocol))]"
)


def install_certificate(authority: TestAuthority) -> tuple[Path, Path]:
    """Writes another certificate of the headend, with the authority's after it."""
    cert, key = authority.write_server()
    cert.write_bytes(cert.read_bytes() + authority.ca.read_bytes())
    return cert, key


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority.make(tmp_path / "tls")


@pytest.fixture
def world(tmp_path: Path, authority: TestAuthority) -> Iterator[World]:
    cert, key = install_certificate(authority)
    settings = {"http_tls_cert": str(cert), "http_tls_key": str(key), "telemetry_period_s": 0.5}
    with running(tmp_path / "world", fleet(), settings, trust=authority.ca) as world:
        world.start_headend()
        world.start_agent(BATTERY)
        world.wait_online(BATTERY)
        yield world


@pytest.fixture
def page(tmp_path: Path, authority: TestAuthority) -> Iterator[Browser]:
    """A Chromium that trusts whatever shows that authority, and else no more than usual."""
    public = authority.pair.certificate.public_key()
    key = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
    flag = f"--ignore-certificate-errors-spki-list={pin}"
    with running_chromium(tmp_path / "chromium", flag) as driver:
        browser = Browser(driver)
        yield browser
        assert browser.complaints() == []
        browser.leave()


def test_the_page_is_live_over_http_2_and_stays_so_while_the_certificate_is_replaced(
    world: World, authority: TestAuthority, page: Browser
) -> None:
    page.open(world.base)
    page.wait_text(f"{BATTERY_ROW} .state", "online")
    assert page.run(PROTOCOLS) == ["h2"]
    (headend,) = (each for each in world.processes if each.log.stem == "derhead")
    install_certificate(authority)
    eventually("reloaded", lambda: "event=reloaded what=certificates" in headend.text())
    dispatch = world.order("battery", 0.5, duration_s=3600)
    world.wait_state(dispatch["id"], "started")
    # The stream that was open brings it.
    page.wait_text(".overview .open .dispatch", "Running")
    assert page.look(".banner") is None
    assert page.run(PROTOCOLS) == ["h2"]
