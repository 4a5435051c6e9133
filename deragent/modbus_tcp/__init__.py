"""Modbus over TCP and TLS on Trio: pymodbus's framer and messages, without its loop.

From the ground up: ``exchange`` (a request, and the answer that belongs to it: pure),
``modbus_link`` (a connection: one request at a time, whatever units share it), ``shared_links``
(the devices behind one gateway share its link).
"""

from deragent.modbus_tcp.exchange import (
    IllegalAddressError,
    ModbusError,
    NewConnectionError,
    NotReachedError,
)
from deragent.modbus_tcp.modbus_link import ModbusLink
from deragent.modbus_tcp.shared_links import LinkAddress, LinkTls, SharedLinks

__all__ = [
    "IllegalAddressError",
    "LinkAddress",
    "LinkTls",
    "ModbusError",
    "ModbusLink",
    "NewConnectionError",
    "NotReachedError",
    "SharedLinks",
]
