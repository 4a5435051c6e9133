"""A SunSpec device behind TLS, opened as an agent opens it, from its section of assets.yaml."""

import re
import ssl
from pathlib import Path

import pytest
import trio

from deragent.cli import main
from deragent.devices import DeviceConfigError, DeviceError, open_device
from derproto.base.runtime import real_runtime
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.fleet import Asset, DeviceSpec
from tests.support.assets import make_asset
from tests.support.certificates import TestAuthority
from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.sunspec_unit import SunSpecUnit


async def serve(nursery: trio.Nursery, authority: TestAuthority) -> tuple[SunSpecUnit, int]:
    """A unit at a port with a certificate, which asks for one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.write_server())
    unit = SunSpecUnit()
    server = ModbusServer({1: unit}, nursery)
    (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, server.converse, [listener])
    transport = listener.transport_listener
    assert isinstance(transport, trio.SocketListener)
    port: int = transport.socket.getsockname()[1]
    return unit, port


def asset_at(port: int, **options: object) -> Asset:
    spec = DeviceSpec("sunspec", {"host": f"127.0.0.1:{port}", **options})
    return make_asset(energy_mwh=4.0, device=spec)


async def test_a_device_behind_tls_is_measured_and_steered(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    authority = TestAuthority.make(tmp_path)
    unit, port = await serve(nursery, authority)
    cert, key = authority.write_agent("agent")
    files = {"tls": True, "tls_ca": str(authority.ca), "tls_cert": str(cert), "tls_key": str(key)}
    device = await open_device(asset_at(port, **files), real_runtime())
    nursery.start_soon(device.run)
    assert (await device.read()).frequency_hz == 50.0
    assert await device.apply(1.5) == 1.5
    assert unit.setpoint_mw == 1.5
    nursery.cancel_scope.cancel()


async def test_a_probe_over_tls_prints_a_section_that_opens_the_device(
    tmp_path: Path, nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = TestAuthority.make(tmp_path)
    unit, port = await serve(nursery, authority)
    cert, key = authority.write_agent("agent")
    files = ["--tls-ca", authority.ca, "--tls-cert", cert, "--tls-key", key]
    command = ["probe", f"127.0.0.1:{port}", "--tls", *map(str, files)]
    assert await trio.to_thread.run_sync(main, command) == 0
    shown = capsys.readouterr().out
    assert unit.writes == []
    path = tmp_path / "assets.yaml"
    path.write_text(shown[shown.index("# Correct") :])
    (asset,) = load_fleet(path).assets.values()
    device = await open_device(asset, real_runtime())
    nursery.start_soon(device.run)
    assert (await device.read()).frequency_hz == 50.0
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tls-ca", "ca.pem"], "--tls: missing; add it, or leave out its files"),
        (["--tls", "--tls-ca", "/nowhere.pem"], "--tls: .*No such file.*; name PEM files"),
    ],
)
def test_wrong_flags_of_a_probe_are_told(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", "127.0.0.1", *flags]) == 2
    assert re.search(said, capsys.readouterr().err)


async def test_a_certificate_of_another_authority_is_told(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    _unit, port = await serve(nursery, TestAuthority.make(tmp_path / "theirs"))
    ours = TestAuthority.make(tmp_path / "ours")
    device = await open_device(asset_at(port, tls=True, tls_ca=str(ours.ca)), real_runtime())
    nursery.start_soon(device.run)
    with pytest.raises(DeviceError, match=r"is not reached: TLS: .*certificate verify failed"):
        await device.read()
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tls_ca": "ca.pem"}, "tls: false, yet files of it are given"),
        ({"tls": True, "tls_ca": "/nowhere.pem"}, r"device\.tls: .*No such file"),
    ],
)
async def test_wrong_files_are_told_when_the_device_is_opened(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(DeviceConfigError, match=said):
        await open_device(asset_at(1, **options), real_runtime())
