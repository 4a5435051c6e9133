"""A request's headers as a call to serve, or as a refusal. It sends nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from grpclib.const import Status
from grpclib.encoding.base import GRPC_CONTENT_TYPE
from grpclib.metadata import _Metadata, decode_metadata

from derproto.triogrpc.core.deadline import Deadline
from derproto.triogrpc.core.method import Method

DEFAULT_SUBTYPE = "proto"


@dataclass(frozen=True)
class Request:
    """A call that can be served."""

    method: Method
    metadata: _Metadata
    deadline: Deadline | None
    user_agent: str | None


@dataclass(frozen=True)
class Refusal:
    """The answer to a request that cannot be served."""

    http_status: int
    status: Status | None
    message: str | None


def read_request(
    headers: list[tuple[str, str]], methods: Mapping[str, Method], content_subtype: str
) -> Request | Refusal:
    """The call that ``headers`` ask for, or its refusal."""
    fields = dict(headers)
    if fields.get(":method") != "POST":
        return Refusal(405, None, None)
    content_type, _, subtype = fields.get("content-type", "").partition("+")
    if content_type != GRPC_CONTENT_TYPE or (subtype or DEFAULT_SUBTYPE) != content_subtype:
        return Refusal(415, Status.UNKNOWN, "Missing or unacceptable content-type header")
    if fields.get("te") != "trailers":
        return Refusal(400, Status.UNKNOWN, 'Required "te: trailers" header is missing')
    method = methods.get(fields.get(":path", ""))
    if method is None:
        return Refusal(200, Status.UNIMPLEMENTED, "Method not found")
    try:
        deadline = Deadline.from_headers(headers)
        metadata = decode_metadata(headers)
    except ValueError as exc:
        # A malformed grpc-timeout, or a "-bin" value that is not base64.
        return Refusal(200, Status.INVALID_ARGUMENT, f"Invalid metadata: {exc}")
    return Request(method, metadata, deadline, fields.get("user-agent"))
