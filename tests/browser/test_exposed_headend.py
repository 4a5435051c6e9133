"""A headend that is open to others without protection says so to whoever looks."""

from pathlib import Path

import pytest

from tests.support.fleets import fleet
from tests.support.processes.chromium import Browser
from tests.support.processes.world import running

pytestmark = pytest.mark.e2e

OPEN = "is open to other machines without TLS and tokens"


def test_an_insecure_headend_says_so_in_log_readiness_and_page(
    tmp_path: Path, browser: Browser
) -> None:
    with running(tmp_path, fleet()) as world:
        address = f"0.0.0.0:{world.http_port}"
        headend = world.start_headend(200, "--http", address, "--insecure")
        assert f'event=insecure reason="REST at {address} {OPEN}"' in headend.text()
        ready = world.get("/readyz")
        assert ready["status"] == "degraded"
        (check,) = (each for each in ready["checks"] if each["name"] == "exposure")
        assert check["detail"] == f"REST at {address} {OPEN} (insecure)"
        browser.open(world.base)
        browser.wait_text("#exposure", f"Not protected: {check['detail']}")
        assert browser.faults() == []
        browser.leave()
