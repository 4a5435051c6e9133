"""Bytes in and out of streams: one task reads all sockets, one sends to them.

From the ground up: ``peer``, ``handshakes``, ``dialing``, ``memory_stream``; ``reading`` and
``transport``, the two halves; ``shared``, the tasks that all connections of a server have in
common.
"""
