"""A daemon's certificates are replaced together, or not at all."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derproto.base.runtime import Runtime, virtual_runtime
from derproto.configuration.problems import ConfigError
from derproto.system.reloading import Reloads
from derproto.tls.certificate_keeper import REMIND_S, CertificateKeeper
from derproto.tls.tls_files import TlsFiles, TlsRole
from derproto.triogrpc.testing import MemoryStream, memory_pair
from tests.support.certificates import TestAuthority, now, validity

GRPC, HTTP, AGENT = TlsRole.GRPC_SERVER, TlsRole.HTTP_SERVER, TlsRole.AGENT


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    authority = TestAuthority.make(tmp_path)
    authority.write_server()
    return authority


def present() -> Runtime:
    return virtual_runtime(round(now().timestamp() * 1e6))


async def kept(*ends: TlsFiles, runtime: Runtime | None = None) -> CertificateKeeper:
    keeper = CertificateKeeper(ends, runtime or present())
    await keeper.load(Reloads(present()))
    return keeper


async def shake(server: CertificateKeeper, client: CertificateKeeper, role: TlsRole) -> None:
    """A handshake between the two, with what is in force. Raises: trio.BrokenResourceError."""
    left, right = memory_pair()
    at_client, at_server = client.context(AGENT), server.context(role)
    assert at_client is not None
    assert at_server is not None
    streams = [
        trio.SSLStream(left, at_client, server_hostname="localhost"),
        trio.SSLStream(right, at_server, server_side=True),
    ]

    async def finish(stream: trio.SSLStream[MemoryStream]) -> None:
        try:
            await stream.do_handshake()
            # With TLS 1.3 a client hears only now that its certificate is refused.
            await stream.send_all(b"x")
            assert await stream.receive_some(1) == b"x"
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        for stream in streams:
            nursery.start_soon(finish, stream)


async def test_all_ends_take_new_certificates(authority: TestAuthority) -> None:
    server = await kept(authority.server_files(GRPC), authority.server_files(HTTP))
    assert list(server.paths) == [authority.folder / "server.pem", authority.folder / "server.key"]
    before = server.context(GRPC), server.context(HTTP)
    authority.write_server()
    await server.reload()
    assert server.context(GRPC) is not before[0]
    assert server.context(HTTP) is not before[1]
    assert server.context(AGENT) is None


async def test_an_authority_that_is_removed_is_forgotten(
    authority: TestAuthority, tmp_path: Path
) -> None:
    old = TestAuthority.make(tmp_path / "old")
    old.write_agent("mesa")
    authority.write_agent("mesa")
    shutil.copy(authority.ca, old.ca)
    client = await kept(old.agent_files("mesa"))
    bundle = authority.ca.read_bytes() + old.pair.certificate_pem()
    authority.ca.write_bytes(bundle)
    server = await kept(authority.server_files(GRPC, asks_for_clients=True))
    await shake(server, client, GRPC)
    authority.ca.write_bytes(authority.pair.certificate_pem())
    await server.reload()
    with pytest.RaisesGroup(trio.BrokenResourceError):
        await shake(server, client, GRPC)


def expired(authority: TestAuthority) -> None:
    authority.write_server(valid=validity(-1, starts_in_days=-10))


def of_tomorrow(authority: TestAuthority) -> None:
    authority.write_server(valid=validity(90, starts_in_days=1))


def of_another_key(authority: TestAuthority) -> None:
    authority.write_server("other")
    shutil.copy(authority.folder / "other.key", authority.folder / "server.key")


def gone(authority: TestAuthority) -> None:
    (authority.folder / "server.pem").unlink()


@pytest.mark.parametrize("spoil", [expired, of_tomorrow, of_another_key, gone])
async def test_a_refused_certificate_replaces_no_certificate(
    spoil: Callable[[TestAuthority], None], authority: TestAuthority
) -> None:
    server = await kept(authority.server_files(GRPC), authority.server_files(HTTP))
    before = [server.context(role) for role in (GRPC, HTTP)]
    spoil(authority)
    with pytest.raises(ConfigError, match=r"^tls_(cert|key): "):
        await server.reload()
    assert [server.context(role) for role in (GRPC, HTTP)] == before


async def test_if_one_end_fails_no_end_is_replaced(
    authority: TestAuthority, tmp_path: Path
) -> None:
    rest = TestAuthority.make(tmp_path / "rest")
    rest.write_server()
    server = await kept(authority.server_files(GRPC), rest.server_files(HTTP))
    before = server.context(GRPC)
    authority.write_server()
    expired(rest)
    with pytest.raises(ConfigError):
        await server.reload()
    assert server.context(GRPC) is before


async def test_a_daemon_starts_with_refused_certificates_and_logs_them(
    authority: TestAuthority, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    expired(authority)
    server = await kept(authority.server_files(GRPC))
    (finding,) = server.findings()
    assert "expired" in finding.text
    assert server.seconds_left()["tls_cert"] == pytest.approx(-86_400, abs=100)
    with trio.move_on_after(2.5 * REMIND_S):
        await server.remind()
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 3
    authority.write_server()
    await server.reload()
    assert server.findings() == []
    assert server.seconds_left()["tls_cert"] > 0


async def test_a_daemon_does_not_start_with_unloadable_certificates(
    authority: TestAuthority,
) -> None:
    of_another_key(authority)
    with pytest.raises(ConfigError, match="is not the key of"):
        await kept(authority.server_files(GRPC))


async def test_changed_files_are_reloaded_by_themselves(
    authority: TestAuthority, autojump_clock: MockClock
) -> None:
    runtime = present()
    reloads = Reloads(runtime)
    server = CertificateKeeper([authority.server_files(GRPC)], runtime)
    await server.load(reloads)
    before = server.context(GRPC)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reloads.run)
        await trio.sleep(10)
        assert server.context(GRPC) is before
        authority.write_server()
        await trio.sleep(3)
        assert server.context(GRPC) is not before
        nursery.cancel_scope.cancel()


async def test_without_certificates_nothing_is_watched() -> None:
    reloads = Reloads(present())
    keeper = CertificateKeeper((), present())
    await keeper.load(reloads)
    await reloads.reload_all()
    assert (keeper.paths, keeper.findings(), keeper.seconds_left()) == ((), [], {})
    transports: list[trio.abc.Listener[trio.abc.Stream]] = []
    assert keeper.over_tls(GRPC, transports) is transports
