"""Service levels of groups of assets: the fleet, a site, an agent's assets, one asset. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from derhead.service_levels.gap_sums import GapSums
from derhead.service_levels.level_sums import LevelSums
from derhead.service_levels.objectives import Objectives, ServicePromise


class LevelScope(StrEnum):
    """What each group of assets is."""

    FLEET = "fleet"
    SITE = "site"
    AGENT = "agent"
    ASSET = "asset"


@dataclass(slots=True)
class LevelGroup:
    """Some assets together."""

    scope: LevelScope
    id: str | None = None
    """Of the site, agent or asset; None = the fleet."""
    name: str | None = None
    sums: LevelSums = field(default_factory=LevelSums)
    gaps: GapSums = field(default_factory=GapSums)
    _reconnects: dict[str, int] = field(default_factory=dict)

    def add(self, asset_id: str, agent_id: str | None, sums: LevelSums, gaps: GapSums) -> None:
        """Adds an asset; ``agent_id``: the agent that holds it, or held it last."""
        self.sums.add(sums)
        self.gaps.add(gaps)
        # An agent reconnects with all of its assets at once.
        known = self._reconnects.get(agent_id or asset_id, 0)
        self._reconnects[agent_id or asset_id] = max(known, sums.reconnects)

    @property
    def reconnects(self) -> int:
        """Reconnects of its agents: of each agent those of the asset that has most."""
        return sum(self._reconnects.values())

    def shares(self) -> Mapping[ServicePromise, float | None]:
        """For what share of time, or of dispatches, each promise held; None = it cannot be told."""
        return {
            ServicePromise.TELEMETRY: self.sums.telemetry,
            ServicePromise.AVAILABILITY: self.sums.availability,
            ServicePromise.DISPATCH: self.sums.dispatch,
        }

    def missed(self, objectives: Objectives) -> list[ServicePromise]:
        """The promises that held for less than their objective."""
        return [
            promise
            for promise, share in self.shares().items()
            if share is not None and share < objectives.of(promise)
        ]

    def budget_used(self, objectives: Objectives) -> float | None:
        """How much of its error budget the worst promise has used: 1 = just all of it.

        The error budget is what the objective leaves. None = no share can be told.
        """
        used = (
            (1 - share) / (1 - objectives.of(promise))
            for promise, share in self.shares().items()
            if share is not None
        )
        return max(used, default=None)


def worst_first(groups: Iterable[LevelGroup], objectives: Objectives) -> list[LevelGroup]:
    """The groups, the one first that has used most of an error budget; of equals by name."""

    def rank(group: LevelGroup) -> tuple[float, str]:
        used = group.budget_used(objectives)
        return (1.0 if used is None else -used), group.name or group.id or ""

    return sorted(groups, key=rank)
