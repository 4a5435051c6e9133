"""Who sent the current request."""

from quart import g, request

from derhead.access import Principal
from derhead.audit import Caller
from derproto.base.logs import log_context


def note_principal(principal: Principal) -> None:
    """Notes whom the guard has recognised as the sender."""
    g.principal = principal


def current_principal() -> Principal:
    """The sender, as the guard recognised it; every request passes the guard first."""
    found: Principal = g.principal
    return found


def current_caller() -> Caller:
    """The sender, for the audit trail."""
    return Caller(
        peer=request.remote_addr, request_id=log_context.get(), name=current_principal().name
    )
