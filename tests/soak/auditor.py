"""Reads the journal's file behind the headend's back, a day at a time, before it forgets.

It marks each reading that is stored, and keeps every gap and every ended dispatch.
"""

import sqlite3
from array import array
from dataclasses import dataclass, field

import trio

from derhead.dispatch import ENDED, Dispatch
from derproto.der.v1 import QualityBit
from tests.soak.devices import COPY_READINGS, number_of
from tests.soak.plan import DAY_S
from tests.soak.world import SoakWorld
from tests.support.epoch import T0

LAG_S = DAY_S / 2
"""A day is audited so long after its end: outages are over, and clocks are off by less."""

EVERY_S = DAY_S / 4

_STALE = int(QualityBit.STALE_DEVICE)


@dataclass(frozen=True, slots=True)
class LedgerGap:
    """An entry of the gap ledger, in seconds of the agent's clock."""

    gap_id: str
    asset: int
    from_s: float
    to_s: float | None
    cause: str
    backfilled: bool
    filled_s: float | None
    revision: int


@dataclass
class Auditor:
    """What the journal held."""

    world: SoakWorld
    stored: list[bytearray] = field(default_factory=list)
    """For each asset and reading, whether the journal held it."""
    boots: "list[array[int]]" = field(default_factory=list)
    """For each asset, the boot in which each reading was taken, by a small number."""
    gaps: dict[str, LedgerGap] = field(default_factory=dict)
    open_dispatches: list[Dispatch] = field(default_factory=list)
    """Those that had not ended at the last audit."""
    _audited_us: int = 0
    _boot_numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stored = [bytearray() for _ in self.world.assets]
        self.boots = [array("l") for _ in self.world.assets]

    async def run(self) -> None:
        """Audits at its times, for ever."""
        while True:
            await trio.sleep(EVERY_S)
            until_us = T0 + round((trio.current_time() - LAG_S) * 1e6)
            if until_us > T0:
                await self.audit(until_us)

    async def audit(self, until_us: int) -> None:
        """Audits samples stamped before that time, and all gaps and dispatches so far."""
        con = sqlite3.connect(f"file:{self.world.folder}/derhead/journal.db?mode=ro", uri=True)
        try:
            assets = dict(con.execute("SELECT asset_id, id FROM assets"))
            boots = dict(con.execute("SELECT id, boot_id FROM boots"))
            for number, asset in enumerate(self.world.assets):
                if asset.id in assets:
                    self._audit_samples(con, number, assets[asset.id], boots, until_us)
            self._audit_gaps(con)
            ids = [row[0] for row in con.execute("SELECT id FROM dispatches")]
        finally:
            con.close()
        self._audited_us = until_us
        await self._keep_dispatches(ids)

    def _audit_samples(
        self,
        con: sqlite3.Connection,
        number: int,
        asset: int,
        boots: dict[int, object],
        until_us: int,
    ) -> None:
        meter, marks = self.world.meters[number], self.stored[number]
        marks.extend(bytes(len(meter.read_us) - len(marks)))
        taken_in = self.boots[number]
        taken_in.extend([-1] * (len(meter.read_us) - len(taken_in)))
        account, now_s = self.world.account, trio.current_time()
        rows = con.execute(
            "SELECT ts_us, boot, p_mw, frequency_hz FROM telemetry"
            " WHERE asset = ? AND ts_us >= ? AND ts_us < ? AND quality & ? = 0",
            (asset, self._audited_us, until_us, _STALE),
        )
        before = account.samples
        for ts_us, boot, p_mw, frequency_hz in rows:
            reading = number_of(frequency_hz)
            account.samples += 1
            if reading >= COPY_READINGS:
                continue
            if not 0 <= reading < len(marks):
                words = f"asset {number} holds a sample that no device gave"
                account.fault(now_s, "the journal holds what devices measured", words)
            elif marks[reading]:
                words = f"reading {reading} of asset {number} is stored twice"
                account.fault(now_s, "no sample is stored twice", words)
            elif (p_mw, ts_us) != (meter.power_mw[reading], meter.stamped_us[reading]):
                words = f"reading {reading} of asset {number} is stored as {p_mw} at {ts_us}"
                account.fault(now_s, "the journal holds what devices measured", words)
            else:
                marks[reading] = 1
                boot_id = str(boots[boot])
                taken_in[reading] = self._boot_numbers.setdefault(boot_id, len(self._boot_numbers))
        for promise in ("no sample is stored twice", "the journal holds what devices measured"):
            account.count(promise, account.samples - before)

    def _audit_gaps(self, con: sqlite3.Connection) -> None:
        numbers = {asset.id: number for number, asset in enumerate(self.world.assets)}
        for row in con.execute(
            "SELECT id, asset_id, start_us, end_us, cause, backfilled, filled_us, revision"
            " FROM gaps"
        ):
            gap_id, asset_id, start_us, end_us, cause, backfilled, filled_us, revision = row
            self.gaps[gap_id] = LedgerGap(
                gap_id,
                numbers[asset_id],
                self.world.seconds(start_us),
                None if end_us is None else self.world.seconds(end_us),
                cause,
                bool(backfilled),
                None if filled_us is None else self.world.seconds(filled_us),
                revision,
            )

    async def _keep_dispatches(self, ids: list[str]) -> None:
        account = self.world.account
        self.open_dispatches.clear()
        for dispatch_id in ids:
            if dispatch_id in account.dispatches:
                continue
            headend = self.world.headend
            if headend is None:
                return
            dispatch = await headend.history.dispatch(dispatch_id)
            # A verdict comes after the end; nothing else changes any more.
            if dispatch is not None and dispatch.state in ENDED:
                account.dispatches[dispatch_id] = dispatch
            elif dispatch is not None:
                self.open_dispatches.append(dispatch)
