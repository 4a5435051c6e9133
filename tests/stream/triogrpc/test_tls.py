"""TLS between our two ends, in memory, and handshakes that fail."""

import ssl

import pytest
import trio
import trio.testing
import trustme
from trio.testing import MockClock

from derproto.triogrpc import (
    ConnectionLost,
    HandshakeFailed,
    LinkLimits,
    connect,
    shake_hands,
)
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.over_tls import check_serves, over_tls, serving_tls
from tests.stream.triogrpc.support import CODEC


async def test_both_ends(certificates: Certificates) -> None:
    async with serving_tls(certificates) as (network, server):
        await check_serves(network, certificates)
    assert not server.statistics().errors


async def test_a_client_without_http2_is_closed(certificates: Certificates) -> None:
    context = ssl.create_default_context()
    certificates.ca.configure_trust(context)
    certificates.client.configure_cert(context)
    async with serving_tls(certificates) as (network, server):
        tls = over_tls(await network.connect("server"), context)
        await tls.do_handshake()
        assert await tls.receive_some() == b""
        assert server.statistics().errors == {"tls": 1}
        await check_serves(network, certificates)


@pytest.mark.parametrize(
    "says", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x00\x05hello"]
)
async def test_a_client_without_tls_is_closed(says: bytes, certificates: Certificates) -> None:
    async with serving_tls(certificates) as (network, server):
        stream = await network.connect("server")
        await stream.send_all(says)
        while await stream.receive_some():
            pass
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert server.statistics().errors == {"tls": 1}
        await check_serves(network, certificates)


@pytest.mark.parametrize("speaks", [False, True])
async def test_a_client_that_does_not_finish_the_handshake_is_closed(
    speaks: bool, certificates: Certificates, autojump_clock: MockClock
) -> None:
    certificates.client_context.set_alpn_protocols(["h2"])
    async with serving_tls(certificates, LinkLimits(handshake_timeout_s=4)) as (network, server):
        stream = await network.connect("server")
        if speaks:
            # TLS, and then nothing.
            await over_tls(stream, certificates.client_context).do_handshake()
        while await stream.receive_some():
            pass
        assert trio.current_time() == pytest.approx(4)
        assert server.statistics().errors == {"handshake": 1}
        await check_serves(network, certificates)


async def test_each_side_is_told_why_a_handshake_failed(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = trustme.CA().issue_cert("agent@example.org")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    certificates.ca.configure_trust(context)
    async with serving_tls(certificates) as (network, server):
        # With TLS 1.3 a client has finished its handshake before the server judges its certificate.
        for told in ("certificate required", "unknown ca"):
            tls = over_tls(await network.connect("server"), context)
            with pytest.raises(ConnectionLost, match=f"TLS: .*{told}"):
                async with connect(tls, authority="localhost", codec=CODEC):
                    pytest.fail("the server takes a certificate that it does not trust")
            stranger.configure_cert(context)
        distrustful = over_tls(await network.connect("server"), ssl.create_default_context())
        with pytest.raises(HandshakeFailed, match="certificate verify failed: "):
            await shake_hands(distrustful)
        await trio.testing.wait_all_tasks_blocked()
        assert server.statistics().errors == {"tls": 3}
        await check_serves(network, certificates)
    logged = [
        line.partition('reason="TLS handshake failed: ')[2].partition('"')[0]
        for line in caplog.text.splitlines()
    ]
    without, of_a_stranger, distrusted = filter(None, logged)
    assert without == "peer did not return a certificate"
    assert of_a_stranger.startswith("certificate verify failed: ")
    assert distrusted == "tlsv1 alert unknown ca"


async def test_a_drain_ends_unfinished_handshakes(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    async with serving_tls(certificates) as (network, server):
        await network.connect("server")
        await trio.testing.wait_all_tasks_blocked()
        await server.drain(100)
        assert trio.current_time() == pytest.approx(0)
