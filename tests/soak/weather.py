"""The weather of a run: which fault lasts, since when, and whom it concerns. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.soak.plan import Kind
from tests.support.dispatch.record import Span


@dataclass(eq=False)
class Trouble:
    """A fault that lasts or lasted."""

    kind: Kind
    agents: frozenset[int]
    assets: frozenset[int]
    from_s: float
    to_s: float | None = None
    """None = it lasts."""

    def span(self, now_s: float) -> Span:
        return Span(self.from_s, now_s if self.to_s is None else self.to_s)


@dataclass
class Weather:
    """All troubles of a run, and since when each path and each device is clear."""

    troubles: list[Trouble] = field(default_factory=list)
    _on_path: Counter[int] = field(default_factory=Counter)
    _at_device: Counter[int] = field(default_factory=Counter)
    _path_since_s: dict[int, float] = field(default_factory=dict)
    _device_since_s: dict[int, float] = field(default_factory=dict)

    def begin(
        self, kind: Kind, now_s: float, agents: Iterable[int] = (), assets: Iterable[int] = ()
    ) -> Trouble:
        trouble = Trouble(kind, frozenset(agents), frozenset(assets), now_s)
        self.troubles.append(trouble)
        self._on_path.update(trouble.agents)
        self._at_device.update(trouble.assets)
        return trouble

    def end(self, trouble: Trouble, now_s: float) -> None:
        trouble.to_s = now_s
        self._on_path.subtract(trouble.agents)
        self._at_device.subtract(trouble.assets)
        for agent in trouble.agents:
            self._path_since_s[agent] = now_s
        for asset in trouble.assets:
            self._device_since_s[asset] = now_s

    def path_clear_s(self, agent: int, now_s: float) -> float:
        """For how long nothing has been wrong between the agent and readers of REST, seconds."""
        if self._on_path[agent] > 0:
            return 0.0
        return now_s - self._path_since_s.get(agent, 0.0)

    def device_clear_s(self, asset: int, now_s: float) -> float:
        """For how long nothing has been wrong with the asset's device, seconds."""
        if self._at_device[asset] > 0:
            return 0.0
        return now_s - self._device_since_s.get(asset, 0.0)

    def spans(
        self,
        kinds: Iterable[Kind],
        now_s: float,
        *,
        agent: int | None = None,
        asset: int | None = None,
    ) -> list[Span]:
        """When a fault of these kinds concerned the agent or the asset."""
        wanted = frozenset(kinds)
        return [
            each.span(now_s)
            for each in self.troubles
            if each.kind in wanted and (agent in each.agents or asset in each.assets)
        ]

    def around(self, at_s: float, before_s: float = 120.0) -> list[Trouble]:
        """The troubles that lasted shortly before that time."""
        return [
            each
            for each in self.troubles
            if each.from_s <= at_s and (each.to_s is None or each.to_s >= at_s - before_s)
        ]
