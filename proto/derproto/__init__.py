"""The contract between agents and headend, and what both stand on.

From the ground up:

- ``der.v1``: the messages, generated from ``proto/der/v1/headend.proto`` (``scripts/proto``).
- ``base``: clocks and blocking work, times, addresses, private files.
- ``configuration``: YAML, flags and environment; ``assets.yaml``.
- ``stdio``: log lines, errors of commands, tables on a terminal.
- ``system``: signals, systemd, files that change.
- ``metrics``: figures for Prometheus, and the process itself.
- ``codec``: protobuf at speed.
- ``triogrpc``: gRPC on Trio; knows nothing of DER.
- ``tls``: certificates, and their exchange while a daemon runs.
- ``headend_rpc``: the one rpc, and the codec of its messages.
- ``health_rpc``: gRPC's own rpcs for health.

``headend.proto`` lies here too, for agents on other gRPC stacks.
"""

__version__ = "0.1.0"
"""The version of all four packages; the wheel takes it from here."""
