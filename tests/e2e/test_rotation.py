"""Certificates and authorities are replaced as docs/certificates.md says, and the agent stays."""

import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

DOCUMENT = Path(__file__).parents[2] / "docs/certificates.md"
RELOADED = "event=reloaded what=certificates"


class Site:
    """A headend and the agent ``mesa``, with certificates made by typing the document's blocks."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.world = world
        self.headend: Process
        self.agent: Process
        text = DOCUMENT.read_text(encoding="utf-8")
        self.sections = {
            part.partition("\n")[0]: re.findall(
                r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL
            )
            for part in text.split("\n## ")
        }

    def type(self, section: str, block: int) -> None:
        """Runs a block of the document, with ``/etc`` in the test's folder, which owns all."""
        typed = self.sections[section][block].replace("/etc/", f"{self.folder}/etc/")
        typed = re.sub(r"install -o \w+", "install", typed)
        environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = ["bash", "-euo", "pipefail", "-c", typed]
        subprocess.run(command, cwd=self.folder, env=environ, check=True, timeout=60)

    def settings(self, file: str) -> str:
        """The settings that the document shows for a file."""
        text = DOCUMENT.read_text(encoding="utf-8")
        return text.partition(f"```yaml\n# {file}\n")[2].partition("```")[0]

    def replace(self, section: str, block: int, *daemons: Process) -> None:
        """Types a block, and waits until these daemons have reloaded what it installed."""
        before = [daemon.text().count(RELOADED) for daemon in daemons]
        session = self.session()
        self.type(section, block)
        eventually(
            "reloaded",
            lambda: all(
                daemon.text().count(RELOADED) > count
                for daemon, count in zip(daemons, before, strict=True)
            ),
        )
        # Nobody is disconnected.
        assert self.session() == session

    def session(self) -> str:
        (agent,) = self.world.get("/agents")["items"]
        session: str = agent["session_id"]
        return session

    def handshake(self, certificate: str | None, authority: str = "both.pem") -> None:
        """A new connection as the agent's. Raises: ssl.SSLError, OSError."""
        context = ssl.create_default_context(cafile=self.folder / authority)
        if certificate is not None:
            stem = self.folder / certificate
            context.load_cert_chain(f"{stem}.pem", f"{stem}.key")
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", self.world.grpc_port), timeout=20) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                # With TLS 1.3 a refusal comes with the first read.
                assert tls.recv(1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    etc = tmp_path / "etc/derhead/tls"
    settings = {
        "tls_cert": str(etc / "server.pem"),
        "tls_key": str(etc / "server.key"),
        "tls_client_ca": str(etc / "ca.pem"),
        "telemetry_period_s": 0.5,
    }
    trust = tmp_path / "trust.pem"
    with running(tmp_path / "world", fleet(), settings, trust=trust) as world:
        site = Site(tmp_path, world)
        for block in range(3):
            site.type("An authority of your own", block)
        trust.write_bytes((tmp_path / "pki/ca.pem").read_bytes())
        agent = tmp_path / "etc/deragent/mesa.yaml"
        agent.write_text(site.settings("/etc/deragent/mesa.yaml"))
        site.headend = world.start_headend()
        site.agent = world.start_agent(BATTERY, "--config", agent)
        world.wait_online(BATTERY)
        yield site


def test_all_certificates_are_replaced_under_a_running_fleet(site: Site) -> None:
    world, folder = site.world, site.folder
    dispatch = world.order(BATTERY, 0.5)
    world.wait_state(dispatch["id"], "started")
    site.replace("Replace a certificate", 0, site.headend)
    site.replace("Replace a certificate", 1, site.agent)
    # The authority, in the document's order.
    (folder / "old.pem").write_bytes((folder / "pki/agents/mesa.pem").read_bytes())
    (folder / "old.key").write_bytes((folder / "pki/agents/mesa.key").read_bytes())
    site.replace("Replace the authority", 0, site.headend, site.agent)
    (folder / "trust.pem").write_bytes((folder / "both.pem").read_bytes())
    site.replace("Replace the authority", 1, site.headend)
    site.replace("Replace the authority", 2, site.agent)
    site.handshake("old")
    site.handshake("pki-2/agents/mesa")
    site.replace("Replace the authority", 3, site.headend, site.agent)
    # The order never noticed.
    assert world.get(f"/dispatch/{dispatch['id']}")["state"] == "started"
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown ca"):
        site.handshake("old")
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate required"):
        site.handshake(None)
    with pytest.raises(ssl.SSLError, match=r"(?i)verify failed"):
        site.handshake("pki-2/agents/mesa", "pki/ca.pem")
    site.handshake("pki-2/agents/mesa", "pki-2/ca.pem")
    # After a restart the agent is back with what was installed, within its backoff.
    assert site.headend.stop() == 0
    (folder / "trust.pem").write_bytes((folder / "pki-2/ca.pem").read_bytes())
    site.headend = world.start_headend()
    world.wait_online(BATTERY)
    assert world.get(f"/dispatch/{dispatch['id']}")["state"] == "started"


def test_a_broken_file_changes_nothing_and_is_shown(site: Site) -> None:
    world, key = site.world, site.folder / "etc/derhead/tls/server.key"
    good = key.read_bytes()
    session = site.session()
    key.write_bytes((site.folder / "pki/agents/mesa.key").read_bytes())

    def check() -> dict[str, str]:
        return {each["name"]: each["detail"] for each in world.get("/readyz")["checks"]}

    eventually("shown", lambda: "is not the key of" in check()["reload"])
    assert "tls_key: " in check()["reload"]
    line = 'event="not reloaded" what=certificates reason="tls_key: '
    assert line in site.headend.text()
    assert "valid: tls_cert for 396 days" in check()["certificates"]
    site.handshake("pki/agents/mesa", "pki/ca.pem")
    key.write_bytes(good)
    eventually("mended", lambda: "no reload has failed" in check()["reload"])
    assert site.session() == session


def test_the_time_left_is_a_metric(site: Site) -> None:
    text = site.world.ask("GET", "/metrics").text
    left = dict(
        re.findall(r'^derhead_certificate_left_seconds\{setting="(\w+)"\} ([0-9.e+]+)$', text, re.M)
    )
    assert set(left) == {"tls_cert", "tls_client_ca"}
    assert float(left["tls_cert"]) == pytest.approx(397 * 86_400, abs=3600)
    assert float(left["tls_client_ca"]) == pytest.approx(3650 * 86_400, abs=3600)
