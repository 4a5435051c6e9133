"""Links that several devices share: gateways often take one connection, or a few."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

import trio

from deragent.modbus_tcp.modbus_link import ModbusLink
from derproto.configuration.kinds import Address


@dataclass(frozen=True, slots=True)
class LinkTls:
    """The files of a link's TLS. None = the system's authorities; no certificate of one's own."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Reads the files. Raises: OSError, of which ssl.SSLError is one."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key)
        return context


@dataclass(frozen=True, slots=True)
class LinkAddress:
    """What a link is dialled with. Devices with equal ones share it."""

    address: Address
    tls: LinkTls | None = None
    """None = cleartext."""

    def context(self) -> ssl.SSLContext | None:
        """For ``SharedLinks.link``; None for cleartext. Raises: OSError, of files."""
        return None if self.tls is None else self.tls.context()


class SharedLinks:
    """The links of one process, each while a device has it."""

    def __init__(self) -> None:
        self._links: WeakValueDictionary[LinkAddress, ModbusLink] = WeakValueDictionary()
        self._users: dict[int, int] = {}

    def link(self, where: LinkAddress, context: ssl.SSLContext | None = None) -> ModbusLink:
        """The link to that address; a new one, with the TLS context, if no device has it."""
        found = self._links.get(where)
        if found is None:
            dial = partial(_dial, where.address, context)
            found = self._links[where] = ModbusLink(str(where.address), dial)
        return found

    @asynccontextmanager
    async def use(self, link: ModbusLink) -> AsyncIterator[None]:
        """Keeps the link open for the block; the end of its last block closes it."""
        self._users[id(link)] = self._users.get(id(link), 0) + 1
        try:
            yield
        finally:
            self._users[id(link)] -= 1
            if not self._users[id(link)]:
                del self._users[id(link)]
                await link.aclose()


async def _dial(address: Address, context: ssl.SSLContext | None) -> trio.abc.Stream:
    stream = await trio.open_tcp_stream(address.host, address.port)
    if context is None:
        return stream
    secure = trio.SSLStream(stream, context, server_hostname=address.host)
    done = False
    try:
        await secure.do_handshake()
        done = True
    except trio.BrokenResourceError as failure:
        raise OSError(f"TLS: {failure.__cause__ or failure}") from failure
    finally:
        if not done:
            await trio.aclose_forcefully(stream)
    return secure
