"""What the audit trail gets of Registers: those refused, and those that took over from others."""

from derhead.audit import AuditAction, AuditTrail, Caller
from derhead.sessions.admission.register import Registration
from derhead.sessions.terms.refusals import StreamRefusal
from derhead.sessions.terms.session_records import SessionRecord
from derproto.configuration.fleet import Fleet
from derproto.stdio.log_events import event_log

log = event_log(__name__)


class RegisterAudit:
    """Notes Registers in the audit trail, and writes their log lines.

    It runs in the task of the stream, whose lines have peer and agent anyway.

    An agent's id is what it says of itself, so it is the target and not the caller.
    """

    def __init__(self, trail: AuditTrail, fleet: Fleet) -> None:
        self._trail = trail
        self._fleet = fleet

    def refused(
        self, peer: str, refusal: StreamRefusal, detail: str | None, agent_id: str | None
    ) -> None:
        """A stream was refused; ``detail`` is what its agent was told."""
        log.warning("register refused", cause=refusal.value, reason=detail)
        self._trail.note(
            AuditAction.REGISTER_REFUSED,
            Caller(peer),
            refusal.value,
            target=agent_id,
            detail=detail,
        )

    def assets_refused(self, peer: str, registration: Registration, refusals: str) -> None:
        """An agent was admitted without some of its assets."""
        log.warning("assets refused", reason=refusals)
        self._trail.note(
            AuditAction.REGISTER_REFUSED,
            Caller(peer),
            "assets",
            target=registration.agent_id,
            site_id=self._known_site(registration.site_id),
            detail=refusals,
        )

    def took_over(
        self, peer: str, registration: Registration, session_id: str, before: SessionRecord
    ) -> None:
        """A session ended because another process took over its agent's id, or its asset.

        A process that comes back is no other: it ends its own older session.
        """
        if before.agent_id == registration.agent_id and before.boot_id == registration.boot_id:
            return
        same = before.agent_id == registration.agent_id
        lost = "another process of the agent" if same else f"assets of {before.agent_id}, silent"
        log.info("agent took over", lost=before.agent_id, lost_peer=before.peer)
        self._trail.note(
            AuditAction.TAKE_OVER,
            Caller(peer),
            "agent" if same else "assets",
            target=registration.agent_id,
            site_id=self._known_site(registration.site_id),
            detail=f"took over from {lost}",
            before=_session(before.agent_id, before.session_id, before.peer),
            after=_session(registration.agent_id, session_id, peer),
        )

    def _known_site(self, site_id: str | None) -> str | None:
        return site_id if site_id in self._fleet.sites else None


def _session(agent_id: str, session_id: str, peer: str) -> dict[str, object]:
    return {"agent_id": agent_id, "session_id": session_id, "peer": peer}
