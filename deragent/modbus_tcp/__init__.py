"""Modbus over TCP and TLS on Trio: pymodbus's framer and messages, without its loop.

From the ground up: ``exchange`` (a request, and the answer that belongs to it: pure), ``read_plan``
(as few reads as possible, and what they brought: pure), ``modbus_link`` (a connection: one request
at a time, whatever units share it), ``shared_links`` (the devices behind one gateway share its
link), ``link_options`` (what every driver asks of an asset to reach its device).
"""

from deragent.modbus_tcp.exchange import (
    IllegalAddressError,
    ModbusError,
    NewConnectionError,
    NotReachedError,
    RegisterKind,
)
from deragent.modbus_tcp.link_options import LINKS, LinkOptions, find_link
from deragent.modbus_tcp.modbus_link import ModbusLink
from deragent.modbus_tcp.shared_links import LinkAddress, LinkTls, SharedLinks

__all__ = [
    "LINKS",
    "IllegalAddressError",
    "LinkAddress",
    "LinkOptions",
    "LinkTls",
    "ModbusError",
    "ModbusLink",
    "NewConnectionError",
    "NotReachedError",
    "RegisterKind",
    "SharedLinks",
    "find_link",
]
