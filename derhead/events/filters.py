"""Which events a reader wants: pure."""

from dataclasses import dataclass

from derhead.events.logged_events import DispatchEvent, LoggedEvent, SessionEvent

TELEMETRY, AGENT, DISPATCH = KINDS = ("telemetry", "agent", "dispatch")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events one reader wants. Readers with equal filters get the same bytes."""

    kinds: frozenset[str] = frozenset(KINDS)
    assets: frozenset[str] | None = None
    """Ids of the wanted assets; None = all."""
    sites: frozenset[str] = frozenset()
    """Ids of sites that are wanted as a whole: also their agents that hold no asset."""

    @property
    def telemetry(self) -> bool:
        return TELEMETRY in self.kinds

    @property
    def logged(self) -> bool:
        """Whether the reader wants any events of the log."""
        return AGENT in self.kinds or DISPATCH in self.kinds

    def has_asset(self, asset_id: str) -> bool:
        return self.assets is None or asset_id in self.assets

    def has(self, event: LoggedEvent) -> bool:
        """Whether the reader wants that event."""
        match event:
            case DispatchEvent(dispatch=dispatch):
                return DISPATCH in self.kinds and self.has_asset(dispatch.asset_id)
            case SessionEvent(session=session):
                return AGENT in self.kinds and (
                    self.assets is None
                    or session.site_id in self.sites
                    or not self.assets.isdisjoint(session.asset_ids)
                )
