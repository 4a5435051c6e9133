"""The keys of an issuer: a file is followed, a URL is asked again, and no request waits."""

import gzip
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import derhead.cli
from derhead.access import AccessGate, KeySource, Principal
from derhead.access.issuer_loading import KEYS_BYTES, REFRESH_S, RETRY_S, IssuerKeeper
from derhead.access.jwt_judge import KEYS_AGE_S
from derhead.config import HeadendConfig
from derhead.daemon.composition import open_issuer
from derproto.base.runtime import virtual_runtime
from derproto.configuration.problems import ConfigError
from derproto.system.reloading import Reloads
from tests.unit.access.jwts import CURVE, KEY, NOW, TERMS, jwks, sign

pytestmark = pytest.mark.filterwarnings(
    # httpx2 leaves the generators of an answer that was not read to its end to Trio.
    "ignore:Async generator 'http(x|core)2:ResourceWarning"
)


def admits(gate: AccessGate, token: bytes, now_us: int = NOW) -> bool:
    return isinstance(gate.recognise(b"Bearer " + token, now_us), Principal)


async def test_the_gate_follows_a_file_of_keys(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    file, runtime, gate = tmp_path / "keys.json", virtual_runtime(NOW), AccessGate()
    reloads = Reloads(runtime)
    file.write_bytes(jwks(KEY))
    keeper = IssuerKeeper(gate, TERMS, KeySource(file=file), runtime)
    assert not gate.is_open
    await keeper.begin(reloads)
    first, second = sign(), sign(CURVE, "ES256")
    assert (admits(gate, first), admits(gate, second)) == (True, False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reloads.run)
        file.write_bytes(b"{}")
        await trio.sleep(5)
        assert "not a JWKS" in reloads.failures["issuer keys"]
        assert admits(gate, first)
        unknown = b'{"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}'
        file.write_bytes(jwks(CURVE).replace(b"[", b"[" + unknown + b","))
        await trio.sleep(5)
        assert (admits(gate, first), admits(gate, second)) == (False, True)
        assert 'event="keys of the issuer left out"' in caplog.text
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("text", [None, b"{}"])
async def test_a_daemon_does_not_start_with_a_wrong_file_of_keys(
    tmp_path: Path, text: bytes | None
) -> None:
    file = tmp_path / "keys.json"
    if text is not None:
        file.write_bytes(text)
    keeper = IssuerKeeper(AccessGate(), TERMS, KeySource(file=file), virtual_runtime(NOW))
    with pytest.raises(ConfigError, match=r"oidc: .*keys.json"):
        await keeper.begin(None)


class Answers(IssuerKeeper):
    """Gets prepared texts in place of a URL's."""

    def __init__(self, gate: AccessGate) -> None:
        runtime = virtual_runtime(NOW)
        super().__init__(gate, TERMS, KeySource(url="https://login.example/keys"), runtime)
        self.text: bytes | None = None
        self.asked: list[float] = []

    async def _read(self) -> bytes:
        self.asked.append(trio.current_time())
        if self.text is None:
            raise OSError("nobody is there")
        return self.text


async def test_a_url_is_asked_again_and_its_keys_grow_old(autojump_clock: MockClock) -> None:
    gate = AccessGate()
    keeper = Answers(gate)
    await keeper.begin(None)
    assert keeper.asked == []
    token = sign(exp=NOW // 1_000_000 + 10 * KEYS_AGE_S)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        await trio.sleep(1)
        assert not admits(gate, token)
        keeper.text = jwks(KEY)
        await trio.sleep(RETRY_S)
        assert admits(gate, token)
        await trio.sleep(REFRESH_S)
        assert len(keeper.asked) == 3
        keeper.text = None
        await trio.sleep(REFRESH_S)
        assert admits(gate, token)
        # Known callers are asked for anew once others come: the keys are too old by then.
        later_us = NOW + 2 * KEYS_AGE_S * 1_000_000
        assert not admits(gate, sign(sub="bob", exp=NOW // 1_000_000 + 10 * KEYS_AGE_S), later_us)
        nursery.cancel_scope.cancel()


async def test_an_unknown_key_brings_the_next_look_forward(autojump_clock: MockClock) -> None:
    gate = AccessGate()
    keeper = Answers(gate)
    keeper.text = jwks(KEY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        await trio.sleep(1)
        keeper.text = jwks(KEY, CURVE)
        new = sign(CURVE, "ES256")
        assert not admits(gate, new)
        await trio.sleep(RETRY_S)
        assert admits(gate, new)
        assert len(keeper.asked) == 2
        nursery.cancel_scope.cancel()


async def test_keys_come_over_http() -> None:
    answers = {
        "/keys": (200, jwks(KEY)),
        "/long": (200, bytes(KEYS_BYTES + 1)),
        "/no": (404, b""),
        "/page": (200, b"<html>"),
        "/deep": (200, b"[" * 100_000),
        "/elsewhere": (302, jwks(KEY)),
    }

    async def serve(stream: trio.SocketStream) -> None:
        head = await stream.receive_some(4096)
        status, body = answers[head.split()[1].decode()]
        length = b"content-length: %d\r\nconnection: close" % len(body)
        await stream.send_all(b"HTTP/1.1 %d x\r\n%b\r\n\r\n" % (status, length) + body)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        gate = AccessGate()

        def keeper(path: str) -> IssuerKeeper:
            source = KeySource(url=f"http://127.0.0.1:{port}{path}")
            return IssuerKeeper(gate, TERMS, source, virtual_runtime(NOW))

        assert await keeper("/keys").load() == "one"
        assert admits(gate, sign())
        for path, why in (
            ("/long", "longer than"),
            ("/no", "answers 404"),
            ("/page", "not a JWKS"),
            ("/deep", "not a JWKS"),
            ("/elsewhere", "answers 302"),
        ):
            with pytest.raises(ConfigError, match=why):
                await keeper(path).load()
        nursery.cancel_scope.cancel()
    with pytest.raises(ConfigError, match=r"oidc: http://127\.0\.0\.1"):
        await keeper("/keys").load()


async def test_packed_keys_are_not_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = b"content-encoding: gzip\r\ncontent-length: %d\r\nconnection: close" % len(bomb)
    async with trio.open_nursery() as nursery:
        url = await serve_answer(nursery, b"HTTP/1.1 200 x\r\n%b\r\n\r\n" % head + bomb)
        keeper = IssuerKeeper(AccessGate(), TERMS, KeySource(url=url), virtual_runtime(NOW))
        with pytest.raises(ConfigError, match="not a JWKS"):
            await keeper.load()
        nursery.cancel_scope.cancel()


async def test_keys_come_from_an_issuer_with_a_certificate_of_a_private_authority(
    tmp_path: Path,
) -> None:
    for folder in ("pki", "other"):
        assert derhead.cli.main(["pki", "init", "--dir", str(tmp_path / folder)]) == 0
        serve = ["pki", "server", "127.0.0.1", "--dir", str(tmp_path / folder)]
        assert derhead.cli.main(serve) == 0
    pki = tmp_path / "pki"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    body = jwks(KEY)
    head = b"content-length: %d\r\nconnection: close" % len(body)
    async with trio.open_nursery() as nursery:
        url = await serve_answer(nursery, b"HTTP/1.1 200 x\r\n%b\r\n\r\n" % head + body, context)
        gate = AccessGate()

        async def load(ca: Path | None) -> str | None:
            config = HeadendConfig(
                assets=tmp_path,
                oidc_issuer=TERMS.issuer,
                oidc_audience=TERMS.audience,
                oidc_role_claim=TERMS.role_claim,
                oidc_jwks_url=url,
                oidc_ca=ca,
            )
            keeper = await open_issuer(config, gate, virtual_runtime(NOW), None)
            assert isinstance(keeper, IssuerKeeper)
            return await keeper.load()

        for wrong in (None, tmp_path / "other" / "ca.pem"):
            with pytest.raises(ConfigError, match="certificate verify failed"):
                await load(wrong)
            assert not admits(gate, sign())
        assert await load(pki / "ca.pem") == "one"
        assert admits(gate, sign())
        nursery.cancel_scope.cancel()


async def serve_answer(
    nursery: trio.Nursery, answer: bytes, context: ssl.SSLContext | None = None
) -> str:
    """Gives that answer to every request; returns its URL."""

    async def serve(stream: trio.abc.Stream) -> None:
        # A client that does not trust the certificate goes away.
        with suppress(trio.BrokenResourceError):
            await stream.receive_some(4096)
            await stream.send_all(answer)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    served: list[trio.abc.Listener[trio.abc.Stream]] = [
        each if context is None else trio.SSLListener(each, context) for each in listeners
    ]
    nursery.start_soon(trio.serve_listeners, serve, served)
    return f"http{'' if context is None else 's'}://127.0.0.1:{port}/keys"
