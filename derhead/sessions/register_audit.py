"""What the audit trail gets of Registers: those refused, and those that took over from others."""

from collections.abc import Collection
from dataclasses import dataclass

from derhead.audit import AuditAction, AuditTrail, Caller
from derhead.sessions.terms.refusals import AgentClaim, StreamRefusal
from derhead.sessions.terms.session_records import SessionRecord
from derproto.configuration.fleet import Fleet
from derproto.stdio.log_events import event_log

log = event_log(__name__)


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A session that ends another one."""

    claim: AgentClaim
    boot_id: int
    session_id: str
    granted: Collection[str]
    """Ids of its assets."""


class RegisterAudit:
    """Notes Registers in the audit trail, and writes their log lines.

    It runs in the task of the stream, whose lines have peer and agent anyway.

    An agent's id is what it says of itself, so it is the target and not the caller. An entry is
    filed under a site only if assets that the agent was granted are there, or if the agent is
    proven and the fleet's file places it there: no stranger writes into the trail of a site.
    """

    def __init__(self, trail: AuditTrail, fleet: Fleet) -> None:
        self._trail = trail
        self._fleet = fleet

    def refused(
        self, peer: str, refusal: StreamRefusal, detail: str | None, claim: AgentClaim | None
    ) -> None:
        """A stream was refused; ``detail`` is what its agent was told."""
        log.warning("register refused", cause=refusal.value, reason=detail)
        self._note_refused(peer, refusal.value, detail, claim, ())

    def assets_refused(
        self, peer: str, claim: AgentClaim, refusals: str, granted: Collection[str]
    ) -> None:
        """An agent was admitted without some of its assets; ``granted`` are the others' ids."""
        log.warning("assets refused", reason=refusals)
        self._note_refused(peer, "assets", refusals, claim, granted)

    def took_over(self, peer: str, after: TakenOver, before: SessionRecord) -> None:
        """A session ended because another process took over its agent's id, or its asset.

        A process that comes back is no other: it ends its own older session.
        """
        agent_id = after.claim.agent_id
        same = before.agent_id == agent_id
        if same and before.boot_id == after.boot_id:
            return
        lost = "another process of the agent" if same else f"assets of {before.agent_id}, silent"
        log.info("agent took over", lost=before.agent_id, lost_peer=before.peer)
        site_id = self._site_of(after.claim, after.granted)
        self._trail.note(
            AuditAction.TAKE_OVER,
            Caller(peer),
            "agent" if same else "assets",
            target=agent_id,
            site_id=site_id,
            detail=f"took over from {lost}",
            before=_session(before.agent_id, before.session_id, before.peer),
            after=_session(agent_id, after.session_id, peer) | _claimed(after.claim, site_id),
        )

    def _note_refused(
        self,
        peer: str,
        reason: str,
        detail: str | None,
        claim: AgentClaim | None,
        granted: Collection[str],
    ) -> None:
        site_id = None if claim is None else self._site_of(claim, granted)
        claimed = {} if claim is None else _claimed(claim, site_id)
        self._trail.note(
            AuditAction.REGISTER_REFUSED,
            Caller(peer),
            reason,
            target=None if claim is None else claim.agent_id,
            site_id=site_id,
            detail=detail,
            after=claimed or None,
        )

    def _site_of(self, claim: AgentClaim, granted: Collection[str]) -> str | None:
        """The site that an agent is of, by more than its own word; None = none, or several."""
        sites = {self._fleet.assets[asset_id].site_id for asset_id in granted}
        if sites:
            return sites.pop() if len(sites) == 1 else None
        claimed = claim.site_id
        placed = claim.is_proven and claimed is not None and self._places(claim, claimed)
        return claimed if placed else None

    def _places(self, claim: AgentClaim, site_id: str) -> bool:
        """Whether the fleet's file places the agent at the site."""
        if site_id not in self._fleet.sites:
            return False
        # An agent without an id of its own has that of its site, or of its only asset.
        return claim.agent_id == site_id or any(
            claim.agent_id in (asset.id, self._fleet.agent_of(asset))
            for asset in self._fleet.assets_of(site_id)
        )


def _session(agent_id: str, session_id: str, peer: str) -> dict[str, object]:
    return {"agent_id": agent_id, "session_id": session_id, "peer": peer}


def _claimed(claim: AgentClaim, site_id: str | None) -> dict[str, object]:
    """The site that the agent claims, if the entry is not filed under it."""
    if claim.site_id in (None, site_id):
        return {}
    return {"claimed": {"site_id": claim.site_id}}
