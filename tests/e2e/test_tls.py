"""TLS with real clients: agents, openssl, curl, the commands, and what each is refused."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from derhead.pki.authority import make_server
from tests.support.certificates import TestAuthority, validity
from tests.support.fleets import BATTERY, LOAD, SOLAR, fleet
from tests.support.processes import attackers
from tests.support.processes.world import Process, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


@dataclass
class SecureWorld:
    """A headend with TLS on both ports, and its authority."""

    world: World
    authority: TestAuthority

    def start_agent(
        self, asset_id: str, agent_id: str, certificate: str | None, *, trusts: Path | None = None
    ) -> Process:
        """Starts an agent that shows a certificate of the authority's folder."""
        lines = [f"tls_ca: {trusts or self.authority.ca}"]
        if certificate is not None:
            stem = self.authority.folder / certificate
            lines += [f"tls_cert: {stem}.pem", f"tls_key: {stem}.key"]
        settings = self.world.folder / f"{agent_id}.yaml"
        settings.write_text("\n".join(lines))
        # Several agents may want one asset: each has a folder of its own.
        data = self.world.folder / f"data-{agent_id}-{len(self.world.processes)}"
        return self.world.start_agent(
            asset_id, "--agent-id", agent_id, "--config", settings, "--data", data
        )

    def openssl(self, port: int, *flags: object) -> str:
        """What ``openssl s_client`` says of a connection."""
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, flags)]
        done = subprocess.run(
            [*command, "-CAfile", self.authority.ca, "-verify_return_error"],
            input="",
            capture_output=True,
            text=True,
            # With HTTP/2, the first frames of the server are among the output.
            errors="replace",
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def curl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["curl", "--silent", "--show-error", "--max-time", "30", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureWorld]:
    folder = tmp_path_factory.mktemp("secure")
    authority = TestAuthority.make(folder / "tls")
    authority.write_server()
    authority.write_agent("mesa")
    settings = {
        "tls_cert": str(authority.folder / "server.pem"),
        "tls_key": str(authority.folder / "server.key"),
        "tls_client_ca": str(authority.ca),
        "telemetry_period_s": 0.5,
    }
    with running(folder / "world", fleet(), settings, trust=authority.ca) as world:
        world.start_headend()
        yield SecureWorld(world, authority)


def test_a_certificate_admits_only_its_own_agent(secure: SecureWorld) -> None:
    world = secure.world
    secure.start_agent(BATTERY, "mesa", "mesa")
    world.wait_online(BATTERY)
    dispatch = world.order(BATTERY, 0.5)
    world.wait_state(dispatch["id"], "started")
    # Another id under the same certificate, and no certificate at all.
    pretender = secure.start_agent(SOLAR, "other", "mesa")
    eventually("refused", lambda: "not what the certificate names" in pretender.text())
    stranger = secure.start_agent(SOLAR, "stranger", None)
    eventually("turned away", lambda: "certificate required" in stranger.text())
    assert not world.online(SOLAR)
    assert world.online(BATTERY)


def counted(world: World, figure: str) -> float:
    """The value of that line of ``/metrics``."""
    (found,) = (
        line.rpartition(" ")[2]
        for line in world.ask("GET", "/metrics").text.splitlines()
        if line.startswith(figure)
    )
    return float(found)


def session(world: World, agent_id: str) -> str:
    """The session that the agent has now."""
    (found,) = (each for each in world.get("/agents")["items"] if each["id"] == agent_id)
    return str(found["session_id"])


def test_floods_over_tls_are_counted_and_no_agent_notices(secure: SecureWorld) -> None:
    world, folder = secure.world, secure.authority.folder
    secure.authority.write_agent("pond")
    secure.start_agent(LOAD, "pond", "pond")
    world.wait_online(LOAD)
    before = session(world, "pond")
    # An insider: without a certificate of the authority, gRPC's handshake already ends it.
    secure.authority.write_agent("attacker")
    credentials = (secure.authority.ca, folder / "attacker.pem", folder / "attacker.key")
    attack = world.start_module(
        "attack", attackers.__name__, world.grpc_port, world.http_port, *credentials
    )
    eventually("all floods", lambda: attackers.READY in attack.text())
    dispatch = world.order(LOAD, -0.5)
    world.wait_state(dispatch["id"], "started")
    attack.kill()
    assert session(world, "pond") == before
    assert counted(world, 'derhead_link_errors_total{kind="flood"}') >= 6
    assert counted(world, 'derhead_http_connections_ended_total{reason="flood"}') >= 6


def test_an_agent_is_told_why_its_certificate_is_refused(
    secure: SecureWorld, tmp_path: Path
) -> None:
    secure.authority.write_agent("late", valid=validity(-1, starts_in_days=-9))
    late = secure.start_agent(SOLAR, "late", "late")
    other = TestAuthority.make(tmp_path / "other")
    other.write_agent("foreign")
    for suffix in ("pem", "key"):
        foreign = (other.folder / f"foreign.{suffix}").read_bytes()
        (secure.authority.folder / f"foreign.{suffix}").write_bytes(foreign)
    foreigner = secure.start_agent(SOLAR, "foreign", "foreign")
    distrustful = secure.start_agent(SOLAR, "mesa", "mesa", trusts=other.ca)
    eventually("expired", lambda: "certificate expired" in late.text())
    # It had said so itself, and started all the same.
    assert 'event="certificate needs attention" setting=tls_cert' in late.text()
    eventually("of another authority", lambda: "unknown ca" in foreigner.text())
    eventually("not trusted", lambda: "certificate verify failed: " in distrustful.text())
    assert not secure.world.online(SOLAR)


def test_a_headend_of_another_name_is_refused(secure: SecureWorld, tmp_path: Path) -> None:
    authority = secure.authority
    authority.write("elsewhere", make_server(authority.pair, ["elsewhere.example"], validity()))
    settings = {
        "tls_cert": str(authority.folder / "elsewhere.pem"),
        "tls_key": str(authority.folder / "elsewhere.key"),
        "http_tls": False,
    }
    with running(tmp_path / "world", fleet(), settings) as world:
        world.start_headend()
        agent = SecureWorld(world, authority).start_agent(BATTERY, "mesa", "mesa")
        eventually("not its name", lambda: "IP address mismatch" in agent.text())
        # REST stayed as it was.
        assert world.base.startswith("http://")


def test_rest_speaks_http_2_by_alpn(secure: SecureWorld) -> None:
    port = secure.world.http_port
    said = secure.openssl(port, "-alpn", "h2,http/1.1", "-verify_hostname", "localhost")
    assert "ALPN protocol: h2" in said
    assert "TLSv1.3" in said
    assert "Verify return code: 0 (ok)" in said
    assert "ALPN protocol: http/1.1" in secure.openssl(port, "-alpn", "http/1.1")
    for version, flag in (("HTTP/2 200", "--http2"), ("HTTP/1.1 200", "--http1.1")):
        url = f"https://localhost:{port}/healthz"
        answer = secure.curl("--include", flag, "--cacert", str(secure.authority.ca), url)
        assert answer.stdout.startswith(version), answer.stderr
        assert '{"status":"ok"' in answer.stdout


@pytest.mark.parametrize(
    ("flags", "spoken"),
    [
        (["-tls1_2"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], True),
        (["-tls1_3"], True),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], False),
    ],
)
def test_versions_and_ciphers(flags: list[str], spoken: bool, secure: SecureWorld) -> None:
    said = secure.openssl(secure.world.http_port, *flags)
    assert ("Verify return code: 0 (ok)" in said and "Cipher is (NONE)" not in said) is spoken, said


def test_an_agent_needs_a_certificate_and_a_browser_none(secure: SecureWorld) -> None:
    grpc = secure.world.grpc_port
    stem = secure.authority.folder / "mesa"
    said = secure.openssl(grpc, "-alpn", "h2", "-cert", f"{stem}.pem", "-key", f"{stem}.key")
    assert "ALPN protocol: h2" in said
    # What openssl shows of a server that asks for a certificate.
    assert "Requested Signature Algorithms" in said
    assert "Requested Signature Algorithms" not in secure.openssl(secure.world.http_port)
    headend = secure.world.processes[0]
    secure.openssl(grpc, "-alpn", "h2")
    eventually("logged", lambda: "peer did not return a certificate" in headend.text())


def test_http_on_the_port_of_https_is_told_so(secure: SecureWorld) -> None:
    answer = secure.curl("--include", f"http://localhost:{secure.world.http_port}/healthz")
    assert answer.stdout.startswith("HTTP/1.1 400")
    assert "write https:// in place of http://" in answer.stdout


def test_the_commands_trust_the_authority_that_they_are_given(secure: SecureWorld) -> None:
    command = [sys.executable, "-m", "derhead", "status", "--headend", secure.world.base]
    trusted, distrusted, wrong = (
        subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, check=False)
        for more in (["--tls-ca", secure.authority.ca], [], ["--tls-ca", "no.pem"])
    )
    assert trusted.returncode == 0, trusted.stderr
    assert trusted.stdout.startswith(f"{secure.world.base} is ready")
    assert distrusted.returncode == 3
    assert "certificate verify failed" in distrusted.stderr
    assert wrong.returncode == 2
    assert "there is no file no.pem; correct the path" in wrong.stderr
