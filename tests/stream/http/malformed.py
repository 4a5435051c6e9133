"""59 malformed or hostile requests, by name.

Eight of them end the process of an app that Hypercorn's own ``serve`` serves.
``/healthz`` is a plain route, ``/dispatch`` takes a body, ``/ws`` is a WebSocket.
"""

from collections.abc import Mapping, Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection

Header = tuple[bytes, bytes]

KILLERS = ("h2 non-ascii path", "h2 CONNECT plain")
"""Two requests that end Hypercorn's own ``serve``."""

_GET: tuple[Header, ...] = (
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"x"),
    (b":path", b"/healthz"),
)
_CONNECT: Header = (b":method", b"CONNECT")
_KEY = b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="
_UPGRADE_WS = (b"connection: upgrade", b"upgrade: websocket")
_UPGRADE_H2 = (b"connection: upgrade, http2-settings", b"upgrade: h2c")
_ON_1, _ON_9 = b"\x00\x00\x00\x01", b"\x00\x00\x00\x09"


def _h2(headers: Sequence[Header], tail: bytes = b"") -> bytes:
    """A connection's first bytes, with one request that h2 itself would not send."""
    connection = H2Connection(
        H2Configuration(
            client_side=True,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            header_encoding=None,
        )
    )
    connection.initiate_connection()
    connection.send_headers(1, list(headers), end_stream=True)
    return connection.data_to_send() + tail


def _with(**pseudo: bytes) -> list[Header]:
    return [(name, pseudo.get(name[1:].decode(), value)) for name, value in _GET]


def _without(left_out: bytes) -> list[Header]:
    return [header for header in _GET if header[0] != left_out]


def _h1(line: bytes, *headers: bytes, host: bytes | None = b"x") -> bytes:
    lines = [line, *headers] if host is None else [line, b"host: " + host, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _get(path: bytes, *headers: bytes) -> bytes:
    return _h1(b"GET " + path + b" HTTP/1.1", *headers)


def _post(*headers: bytes) -> bytes:
    return _h1(b"POST /dispatch HTTP/1.1", b"content-type: application/json", *headers)


def _ws(*headers: bytes, path: bytes = b"/ws") -> bytes:
    return _get(path, *_UPGRADE_WS, *headers)


def _ws_open(frames: bytes, path: bytes = b"/ws") -> bytes:
    return _ws(b"sec-websocket-version: 13", _KEY, path=path) + frames


def _priority(stream: bytes, depends_on: bytes) -> bytes:
    return b"\x00\x00\x05\x02\x00" + stream + depends_on + b"\x10"


_OVER_HTTP_2 = {
    "h2 prior knowledge": _h2(_GET),
    "h2 non-ascii path": _h2(_with(path=b"/\xff\xfe")),
    "h2 non-ascii method": _h2(_with(method=b"G\xc3\xa9T")),
    "h2 non-ascii header": _h2([*_GET, (b"x-a", b"\xff\xfe")]),
    "h2 no path": _h2(_without(b":path")),
    "h2 no method": _h2(_without(b":method")),
    "h2 empty path": _h2(_with(path=b"")),
    "h2 path star": _h2(_with(path=b"*")),
    "h2 CONNECT ws no path": _h2(
        [_CONNECT, (b":protocol", b"websocket"), (b":authority", b"x")],
    ),
    "h2 CONNECT plain": _h2([_CONNECT, (b":authority", b"x:1")]),
    "h2 CONNECT ws": _h2(
        [_CONNECT, (b":protocol", b"websocket"), *_with(path=b"/ws")[1:]],
    ),
    "h2 CONNECT unknown protocol": _h2(
        [_CONNECT, (b":protocol", b"foo"), *_with(path=b"/ws")[1:]],
    ),
    "h2 garbage": _h2(_GET, b"\x00\x00\xff\x99" * 50),
    "h2 reset of unknown stream": _h2(_GET, b"\x00\x00\x04\x03\x00\x00\x00\x00\x63" + bytes(4)),
    "h2 priority on itself": _h2(_GET, _priority(b"\0\0\0\3", b"\0\0\0\3")),
    "h2 priority on unknown stream": _h2(_GET, _priority(b"\0\0\0\5", b"\0\0\0\7")),
    "h2 priority loop": _h2(
        _GET, _priority(b"\0\0\0\5", b"\0\0\0\7") + _priority(b"\0\0\0\7", b"\0\0\0\5")
    ),
    "h2 window of unknown stream": _h2(_GET, b"\x00\x00\x04\x08\x00" + _ON_9 + b"\0\0\0\x10"),
    "h2 window of 0": _h2(_GET, b"\x00\x00\x04\x08\x00" + bytes(8)),
    "h2 data on unknown stream": _h2(_GET, b"\x00\x00\x04\x00\x00" + _ON_9 + b"abcd"),
    "h2 data on half-closed stream": _h2(_GET, b"\x00\x00\x04\x00\x00" + _ON_1 + b"abcd"),
    "h2 trailers": _h2([*_GET, (b"te", b"trailers")]),
    "h2 initial window 0": _h2(_GET, b"\x00\x00\x06\x04\x00" + bytes(4) + b"\0\4" + bytes(4)),
    "h2 bad preface": b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + bytes(20),
    "h2c no settings": _get(b"/healthz", *_UPGRADE_H2),
    "h2c bad settings": _get(b"/healthz", *_UPGRADE_H2, b"http2-settings: !!!!"),
    "h2c short settings": _get(
        b"/healthz", b"connection: upgrade", b"upgrade: h2c", b"http2-settings: AAAA"
    ),
    "h2c non-ascii settings": _get(b"/healthz", *_UPGRADE_H2, b"http2-settings: \xff\xfe"),
    "h2c and junk": _get(b"/healthz", *_UPGRADE_H2, b"http2-settings: AAMAAABkAAQAAP__")
    + b"junk" * 8,
}

_OVER_HTTP_1 = {
    "h1 non-ascii path": _get(b"/\xff\xfe"),
    "h1 absolute url": _get(b"http://x/healthz"),
    "h1 path of a query": _get(b"?"),
    "h1 star": _h1(b"OPTIONS * HTTP/1.1"),
    "h1 bad escapes": _get(b"/%ff%fe%00"),
    "h1 path with a host": _get(b"//[evil"),
    "h1 path of a bracket": _get(b"["),
    "h1 bad host": _h1(b"GET /healthz HTTP/1.1", host=b"[::bad"),
    "h1 no host": _h1(b"GET /healthz HTTP/1.1", host=None),
    "h1 version 1.0": _h1(b"GET /healthz HTTP/1.0"),
    "h1 version 9.9": _h1(b"GET /healthz HTTP/9.9"),
    "h1 PRI": _h1(b"PRI * HTTP/1.1"),
    "h1 non-ascii headers": _get(b"/healthz", b"x-a: \xff\xfe", b"cookie: \xff=\xfe;;=;"),
    "h1 bad content-length": _post(b"content-length: abc"),
    "h1 length and chunks": _post(b"content-length: 3", b"transfer-encoding: chunked")
    + b"0\r\n\r\n",
    "h1 bad chunk": _post(b"transfer-encoding: chunked") + b"zz\r\n\r\n",
    "h1 expect": _post(b"expect: 100-continue", b"content-length: 5"),
    "h1 header of 20 kB": _get(b"/healthz", b"x: " + b"a" * 20_000),
    "h1 pipeline of 50": _get(b"/healthz") * 50,
    "h1 junk after a request": _get(b"/healthz") + b"\xff\xff\xff\r\n\r\n",
}

_OVER_WEBSOCKET = {
    "ws no key": _ws(),
    "ws bad key": _ws(b"sec-websocket-version: 13", b"sec-websocket-key: \xff"),
    "ws bad version": _ws(b"sec-websocket-version: 99", _KEY),
    "ws bad extension": _ws(
        b"sec-websocket-version: 13",
        b"sec-websocket-extensions: permessage-deflate; server_max_window_bits=99",
        _KEY,
    ),
    "ws bad frames": _ws_open(b"\xff\xff\xff\xff\xff"),
    "ws bad utf-8": _ws_open(b"\x81\x82\0\0\0\0\xff\xfe"),
    "ws binary frame": _ws_open(b"\x82\x82\0\0\0\0\xff\xfe"),
    "ws on a plain route": _ws_open(b"", path=b"/healthz"),
    "ws bad close code": _ws_open(b"\x88\x82\0\0\0\0\0\1"),
    "http on a ws route": _get(b"/ws"),
}

REQUESTS: Mapping[str, bytes] = _OVER_HTTP_2 | _OVER_HTTP_1 | _OVER_WEBSOCKET
