"""Refuses requests of strangers' web pages before any other step."""

from quart import Quart, Response, request

from derhead.api.answering.replies import problem
from derhead.api.answering.trusted_hosts import Provenance, TrustedHosts
from derproto.stdio.log_events import event_log

log = event_log(__name__)

SHOWN = 80
"""Characters of a path in a log line: a stranger's page chooses paths of 16 KB."""


def refuse_strangers(app: Quart, trusted: TrustedHosts) -> None:
    """Registers the first step of every request: 403 for a host or an origin that is not trusted.

    Register it before any other step. The fast lane leaves all such requests to the app.
    """

    @app.before_request
    async def refuse() -> Response | None:
        fields = request.headers
        server = request.scope.get("server")
        detail = trusted.refusal(
            Provenance(
                host=fields.get("Host", ""),
                address=server[0] if server else None,
                over_tls=request.scheme == "https",
                origin=fields.get("Origin"),
                site=fields.get("Sec-Fetch-Site"),
                mode=fields.get("Sec-Fetch-Mode"),
            )
        )
        if detail is None:
            return None
        log.warning(
            "request of a stranger refused",
            method=request.method,
            path=request.path[:SHOWN],
            peer=request.remote_addr,
            status=403,
            reason=detail,
        )
        return problem(403, detail)
