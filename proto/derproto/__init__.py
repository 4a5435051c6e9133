"""The contract between agents and headend, and what both stand on.

- ``der.v1``: the messages, generated from ``proto/der/v1/headend.proto`` (``scripts/proto``).
- ``service``: the one rpc, and the codec of its messages.
- ``triogrpc``: gRPC on Trio; knows nothing of DER.
- ``base``: clocks and blocking work, configuration files, ``assets.yaml``.

``headend.proto`` lies here too, for agents on other gRPC stacks.
"""

__version__ = "0.1.0"
"""The version of all four packages; the wheel takes it from here."""
