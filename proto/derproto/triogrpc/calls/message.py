"""Messages to framed bytes, and bodies to messages; ``inbound`` cuts the bodies."""

from typing import Any

from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError

from derproto.triogrpc.core.link_limits import LinkLimits


def frame_message(
    codec: CodecBase, message: Any, message_type: type[Any], limits: LinkLimits
) -> bytes:
    """The message as gRPC sends it: a flag (not compressed), its length, its body.

    Raises: GRPCError(RESOURCE_EXHAUSTED) if it is too large; what the codec raises.
    """
    body = codec.encode(message, message_type)
    if len(body) > limits.max_message_bytes:
        raise GRPCError(
            Status.RESOURCE_EXHAUSTED,
            f"message of {len(body)} bytes is larger than {limits.max_message_bytes}",
        )
    return b"\0" + len(body).to_bytes(4, "big") + body


def decode_message(
    codec: CodecBase, body: bytes, message_type: type[Any], malformed: Status
) -> Any:
    """The message in ``body``.

    Raises: GRPCError with the status ``malformed``, whatever the codec raises.
    """
    try:
        return codec.decode(body, message_type)
    except Exception as exc:  # noqa: BLE001 - codecs may raise anything
        reason = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
    # Raised here, because ``exc`` as its context would keep all that was decoded in memory.
    raise GRPCError(malformed, f"not a {message_type.__name__}: {reason}")
