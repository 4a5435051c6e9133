"""Who sent the current request, for the audit trail."""

from quart import request

from derhead.audit import Caller
from derproto.base.logs import log_context


def current_caller() -> Caller:
    """The caller of the current request, as far as it is known."""
    return Caller(peer=request.remote_addr, request_id=log_context.get())
