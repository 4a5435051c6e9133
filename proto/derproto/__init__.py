"""The contract between agents and headend, and what both stand on.

- ``der.v1``: the messages, generated from ``proto/der/v1/headend.proto`` (``scripts/proto``).
- ``service``: the one rpc, and the codec of its messages.
- ``triogrpc``: gRPC on Trio; knows nothing of DER.
- ``base``: clocks and blocking work, configuration files, ``assets.yaml``.
"""
