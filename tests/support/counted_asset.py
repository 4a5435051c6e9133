"""One asset whose service levels are counted, fed by hand. Times are seconds since ``T0``."""

from dataclasses import dataclass, field

from derhead.service_levels import HOUR_US, AssetLevels, LevelHour, LevelSums, LevelTotals
from derhead.telemetry import LatestTable, SampleBlock, offer_block
from derproto.codec import TelemetryColumns
from tests.support.assets import make_asset, numbered_id
from tests.support.epoch import T0, S

ASSET = make_asset(numbered_id(1))


@dataclass
class CountedAsset:
    """A headend's count of one asset; the headend may be stopped and started again."""

    stored: dict[int, LevelHour] = field(default_factory=dict)
    """What the journal has: each hour as it was stored last."""
    totals: LevelTotals = field(default_factory=LevelTotals)
    now_s: float = 0.0
    set_s: float = 0.0
    """How far the headend's clock was set since the beginning."""
    heard_us: int = 0

    def __post_init__(self) -> None:
        self._seq = 0
        self.start()

    @property
    def now_us(self) -> int:
        """By the headend's clock."""
        return T0 + round((self.now_s + self.set_s) * S)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    def start(self) -> None:
        """A new life of the headend, which knows what the journal has."""
        self.latest = LatestTable()
        slot = self.latest.slot(ASSET.id)
        self.levels = AssetLevels(
            ASSET.id, slot, self.totals, lambda: round(self.now_s * S) + 7_777_777
        )
        slot.freshness = self.levels
        if self.stored:
            self.levels.resume(self.stored[max(self.stored)], self.heard_us, self.now_us)
            self.levels.take_past(self.stored.values())

    def store(self) -> None:
        """What the keeper does from time to time."""
        self.levels.count(self.now_us)
        for ended in self.levels.finished:
            self.stored[ended.hour_us] = ended.copy()
        self.levels.finished.clear()
        if self.levels.hour is not None:
            self.stored[self.levels.hour.hour_us] = self.levels.hour.copy()

    def connect(self, session: object) -> None:
        self.levels.session_began(session, self.now_us)

    def disconnect(self, session: object) -> None:
        self.levels.session_ended(session, self.now_us)

    def sample(self, age_s: float = 0.0, *, backfill: bool = False) -> None:
        """A sample of that age comes now."""
        self._seq += 1
        block = SampleBlock(
            TelemetryColumns(
                boot_id=1,
                first_seq=self._seq,
                asset_index=[0],
                ts_us=[self.now_us - round(age_s * S)],
                p_mw=[1.0],
                backfill=backfill,
            ),
            [0],
            agent_id="x",
            assets={0: ASSET},
            received_us=self.now_us,
            setpoints_mw={},
        )
        offer_block({0: self.latest.slot(ASSET.id)}, block)
        self.heard_us = self.now_us

    def sums(self) -> LevelSums:
        """The sums of the window that ends now, from what the journal has."""
        self.store()
        self.levels.take_past(self.stored.values())
        return self.levels.sums()


def hour_number(us: int) -> int:
    """Hours since ``T0``, which begins one."""
    return (us - T0) // HOUR_US
