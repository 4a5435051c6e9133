"""Errors of calls and connections that end without a status."""

from grpclib.const import Status
from grpclib.exceptions import StreamTerminatedError
from h2.errors import ErrorCodes


class ConnectionLost(StreamTerminatedError):
    """The connection ended during the call; whether the peer acted on it is unknown."""


class StreamReset(StreamTerminatedError):
    """The peer ended this one call with RST_STREAM."""

    def __init__(self, error_code: int) -> None:
        self.error_code = error_code
        super().__init__(f"reset by the peer: {error_name(error_code)}")


class PeerStalled(Exception):
    """The peer took no bytes for the whole of ``send_timeout_s``."""


class Flooding(Exception):
    """The peer sends more frames that only make work than the limits allow."""


def error_name(error_code: int) -> str:
    """The name of an HTTP/2 error code, or its number if HTTP/2 does not define it."""
    try:
        return ErrorCodes(error_code).name
    except ValueError:
        return f"error {error_code:#x}"


# gRPC over HTTP/2, "HTTP2 Transport Mapping: Errors".
_STATUS_OF_RESET = {
    ErrorCodes.REFUSED_STREAM: Status.UNAVAILABLE,
    ErrorCodes.CANCEL: Status.CANCELLED,
    ErrorCodes.ENHANCE_YOUR_CALM: Status.RESOURCE_EXHAUSTED,
    ErrorCodes.INADEQUATE_SECURITY: Status.PERMISSION_DENIED,
}


def status_of_reset(error_code: int) -> Status:
    """The status that gRPC gives to a call which the server reset with this code."""
    for code, status in _STATUS_OF_RESET.items():
        if code == error_code:
            return status
    return Status.INTERNAL
