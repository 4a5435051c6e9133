"""The connected agents and the assets that each holds: pure.

Time is passed in: seconds on the loop's clock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from derhead.sessions.admission.register import Registration, canonical_uuid
from derproto.configuration.fleet import Fleet
from derproto.der.v1 import AssetGrant, GrantResult

T = TypeVar("T")

DUPLICATE_COUNT = 3
DUPLICATE_WITHIN_S = 60.0
"""``DUPLICATE_COUNT`` supersessions of one agent_id within this time mean two agents."""

DUPLICATE_SHOWN_S = 600.0
"""Seconds after the last supersession for which the agent is shown as ``duplicate_id``."""

DUPLICATES_NOTED = 1_000
"""Agent ids to remember for their supersessions, and as many that several agents use. When full,
the id noted longest ago is forgotten."""


@dataclass(eq=False, slots=True)
class LiveSession:
    """A live session, as the directory sees it."""

    session_id: str
    agent_id: str
    boot_id: int
    heard_at: float
    """When the agent's last message arrived; the session keeps it current."""
    held_up: bool = False
    """Whether the headend itself has stopped reading, because the journal has no room."""
    grants: tuple[AssetGrant, ...] = ()
    granted: dict[int, str] = field(default_factory=dict)
    """Asset id of each granted index."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The session may start."""

    live: LiveSession
    superseded: str | None
    """The older session of the same agent, to be ended."""
    silenced: tuple[str, ...]
    """Silent sessions of other agents that lost an asset to this one, to be ended."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Several agents use this id: this session and ``other`` must end."""

    other: str


class Directory:
    """Live sessions by agent, and the holder of each asset."""

    def __init__(self, fleet: Fleet, *, silent_after_s: float) -> None:
        self._fleet = fleet
        self._silent_after_s = silent_after_s
        self._by_session: dict[str, LiveSession] = {}
        self._by_agent: dict[str, LiveSession] = {}
        self._by_asset: dict[str, LiveSession] = {}
        self._supersessions: dict[str, deque[float]] = {}
        self._duplicate_until: dict[str, float] = {}

    def admit(
        self, registration: Registration, session_id: str, now: float
    ) -> Admitted | Duplicate:
        """Enters a new session; the newest session of an agent takes the agent's assets."""
        agent_id = registration.agent_id
        older = self._by_agent.get(agent_id)
        # A process that reconnects is the same agent.
        another = older is not None and older.boot_id != registration.boot_id
        if (
            older is not None
            and another
            and self._count_supersession(agent_id, now) >= (DUPLICATE_COUNT)
        ):
            self._supersessions.pop(agent_id)
            _note(self._duplicate_until, agent_id, now + DUPLICATE_SHOWN_S)
            return Duplicate(older.session_id)
        if older is not None:
            self.release(older.session_id)
        live = LiveSession(session_id, agent_id, registration.boot_id, heard_at=now)
        silenced: dict[str, None] = {}
        live.grants = tuple(
            self._grant(live, index, claimed, now, silenced)
            for index, claimed in enumerate(registration.asset_ids)
        )
        self._by_agent[agent_id] = live
        self._by_session[session_id] = live
        for lost in silenced:
            self.release(lost)
        for asset_id in live.granted.values():
            self._by_asset[asset_id] = live
        return Admitted(live, older.session_id if older else None, tuple(silenced))

    def release(self, session_id: str) -> None:
        """Forgets a session; harmless if it is gone or superseded already."""
        live = self._by_session.pop(session_id, None)
        if live is None:
            return
        del self._by_agent[live.agent_id]
        for asset_id in live.granted.values():
            if self._by_asset.get(asset_id) is live:
                del self._by_asset[asset_id]

    def holder(self, asset_id: str) -> str | None:
        """The live agent that holds the asset."""
        live = self._by_asset.get(asset_id)
        return live.agent_id if live is not None else None

    def is_duplicate(self, agent_id: str, now: float) -> bool:
        """Whether several agents seem to use this id."""
        return self._duplicate_until.get(agent_id, -1.0) > now

    def _count_supersession(self, agent_id: str, now: float) -> int:
        times = self._supersessions.get(agent_id) or deque(maxlen=DUPLICATE_COUNT)
        times.append(now)
        _note(self._supersessions, agent_id, times)
        return sum(1 for at in times if now - at <= DUPLICATE_WITHIN_S)

    def _grant(
        self, live: LiveSession, index: int, claimed: str, now: float, silenced: dict[str, None]
    ) -> AssetGrant:
        asset_id = canonical_uuid(claimed)
        asset = self._fleet.assets.get(asset_id) if asset_id is not None else None
        if asset is None:
            return _refusal(
                index, GrantResult.UNKNOWN_ASSET, f"{claimed[:64]!r} is not in the fleet"
            )
        if asset.id in live.granted.values():
            return _refusal(index, GrantResult.REPEATED, f"{asset.id} is listed twice")
        if not self._fleet.agent_allowed(asset, live.agent_id):
            return _refusal(
                index, GrantResult.NOT_AUTHORIZED, f"{asset.id} belongs to another agent"
            )
        held = self._by_asset.get(asset.id)
        if held is not None:
            if held.held_up or now - held.heard_at < self._silent_after_s:
                return _refusal(index, GrantResult.ASSET_HELD, f"held by {held.agent_id}")
            silenced[held.session_id] = None
        live.granted[index] = asset.id
        return AssetGrant(asset_index=index, result=GrantResult.GRANTED)


def _note(noted: dict[str, T], agent_id: str, value: T) -> None:
    """Notes a value as the newest, and forgets the oldest if there are too many."""
    noted.pop(agent_id, None)
    noted[agent_id] = value
    if len(noted) > DUPLICATES_NOTED:
        del noted[next(iter(noted))]


def _refusal(index: int, result: GrantResult, detail: str) -> AssetGrant:
    return AssetGrant(asset_index=index, result=result, detail=detail)


def describe_refusals(grants: Sequence[AssetGrant]) -> str | None:
    """The first refused asset with its reason, and the number of others; None if all were
    granted."""
    refused = [grant for grant in grants if grant.result is not GrantResult.GRANTED]
    if not refused:
        return None
    first = f"asset {refused[0].asset_index} refused: {refused[0].detail}"
    return first if len(refused) == 1 else f"{first}; and {len(refused) - 1} more"
