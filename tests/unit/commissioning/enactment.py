"""The surroundings of the pure acceptance test: a plant, a clock that the test moves, an agent."""

import math
from dataclasses import dataclass, field

from deragent.acceptance.acceptance_acts import (
    Act,
    Answer,
    AskIdentity,
    CutLink,
    Done,
    EndAgent,
    Fact,
    Identity,
    LetAgentSteer,
    PowerReading,
    ReadPower,
    TellPower,
    WithholdRenewals,
)
from deragent.acceptance.acceptance_record import CheckName, CheckOutcome
from deragent.acceptance.acceptance_sequence import Acceptance
from deragent.acceptance.acceptance_walk import SAMPLE_S
from deragent.devices import Asset, Limits, Nameplate
from tests.unit.commissioning.plant import Plant

PASSED, FAILED, NONE = CheckOutcome.PASSED, CheckOutcome.FAILED, CheckOutcome.NOT_APPLICABLE


@dataclass
class Enactment:
    """Answers acts. A test sets what is wrong."""

    asset: Asset
    plant: Plant
    nameplate: Nameplate = field(
        default_factory=lambda: Nameplate("Acme", "B-2", "7", rated_mw=2.0)
    )
    limits: Limits | None = None
    soc: float | None = 0.5
    reversion_s: float | None = None
    """What the driver says of the timer."""
    away_from_s: float = math.inf
    away_until_s: float = math.inf
    local_from_s: float = math.inf
    refuses: str = ""
    agent_late_s: float = 0.0
    now_s: float = 100.0
    acts: list[Act] = field(default_factory=list)
    renews: bool = True
    _acts_s: float = math.inf
    _after_s: float = 0.0

    def play(self) -> Acceptance:
        """Plays the whole test."""
        acceptance = Acceptance(self.asset, self.now_s)
        walk = acceptance.run()
        try:
            act = next(walk)
            while True:
                act = walk.send(self._do(act))
        except StopIteration:
            return acceptance

    def outcomes(self) -> dict[CheckName, CheckOutcome]:
        """The outcome of each check."""
        return {check.name: check.outcome for check in self.play().record.checks}

    def _do(self, act: Act) -> Fact:
        self.acts.append(act)
        away = self.away_from_s <= self.now_s < self.away_until_s
        match act:
            case AskIdentity():
                limits = self.limits or self.asset.limits
                failure = "no route" if away else ""
                return Identity(self.now_s, self.nameplate, limits, self.reversion_s, failure)
            case ReadPower():
                self._pass(SAMPLE_S)
                if away:
                    return PowerReading(self.now_s, failure="no route")
                local = self.now_s >= self.local_from_s
                p_mw = self.plant.power(self.now_s)
                return PowerReading(self.now_s, p_mw, self.soc, local)
            case TellPower(mw):
                at_s = self.now_s
                self._pass(0.01)
                failure = "no route" if away else self.refuses if mw else ""
                if not failure:
                    self.renews = True
                    self.plant.tell(mw, at_s)
                return Answer(at_s, self.now_s, failure)
            case WithholdRenewals():
                self.renews = False
            case LetAgentSteer(mw, after_s):
                self.plant.tell(mw, self.now_s)
                self._after_s = after_s
            case CutLink():
                self._acts_s = self.now_s + self._after_s + self.agent_late_s
            case EndAgent():
                self._acts_s = math.inf
        return Done(self.now_s)

    def _pass(self, seconds: float) -> None:
        self.now_s += seconds
        if self.renews:
            self.plant.renew(self.now_s)
        if self.now_s >= self._acts_s:
            self.plant.tell(self.asset.default_mw, self._acts_s)
            self._acts_s = math.inf
