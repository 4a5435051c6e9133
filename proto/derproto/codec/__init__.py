"""Protobuf at speed: betterproto2's dataclasses, encoded and decoded by compiled functions.

From the ground up: ``codec_errors`` and ``generated`` (code from text), ``wire`` (what compiled
functions call), ``fields`` (a class's fields, from betterproto2's metadata),
``decoding`` and ``encoding``, ``columns`` (telemetry as arrays), ``agent`` (an agent's messages
with their telemetry as columns).
"""

from derproto.codec.agent import MAX_FIELDS, decode_agent, encode_agent
from derproto.codec.codec_errors import DecodeError, EncodeError, UnsupportedField
from derproto.codec.columns import TelemetryColumns
from derproto.codec.decoding import decoder
from derproto.codec.encoding import encoder

__all__ = [
    # Any message class
    "decoder",
    "encoder",
    # What agents say, telemetry as arrays
    "decode_agent",
    "encode_agent",
    "MAX_FIELDS",
    "TelemetryColumns",
    # Errors
    "DecodeError",
    "EncodeError",
    "UnsupportedField",
]
