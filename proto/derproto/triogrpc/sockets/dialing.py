"""Reaching a server over TCP."""

import ssl

import trio

from derproto.triogrpc.sockets.handshakes import HandshakeFailed, shake_hands


async def dial(
    host: str,
    port: int,
    *,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    timeout_s: float = 10.0,
) -> trio.abc.Stream:
    """A connection to ``host``, ready for ``connect``; with TLS if a context is given.

    All of the host's addresses are tried (happy eyeballs), small writes are not delayed
    (TCP_NODELAY). With TLS the server must agree to ALPN ``h2``, which is set on the
    context. The certificate must name ``server_hostname``, or else ``host``.

    Units: ``timeout_s`` for all of it, in seconds.
    Raises: OSError for every failure; TimeoutError is an OSError.
    """
    try:
        with trio.fail_after(timeout_s):
            # Trio sets TCP_NODELAY on every stream that it makes of a socket.
            stream = await trio.open_tcp_stream(host, port)
            if ssl_context is None:
                return stream
            return await _start_tls(stream, ssl_context, server_hostname or host)
    except trio.TooSlowError as exc:
        raise TimeoutError(f"no connection to {host}:{port} within {timeout_s} s") from exc


async def _start_tls(
    stream: trio.SocketStream, ssl_context: ssl.SSLContext, server_hostname: str
) -> trio.abc.Stream:
    ssl_context.set_alpn_protocols(["h2"])
    tls = trio.SSLStream(
        stream,
        ssl_context,
        server_hostname=server_hostname,
        # HTTP/2 has its own end of a connection.
        https_compatible=True,
    )
    try:
        if await shake_hands(tls) != "h2":
            raise ConnectionError(f"{server_hostname} does not speak HTTP/2 (ALPN)")
    except HandshakeFailed as failed:
        await trio.aclose_forcefully(tls)
        why = f"TLS handshake with {server_hostname} failed: {failed}"
        raise ConnectionError(why) from failed
    except BaseException:
        await trio.aclose_forcefully(tls)
        raise
    return tls
