"""What a session needs of the rest of the headend."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from derhead.dispatch import Reported
from derhead.gaps import GapRecord, ReportedGap
from derhead.sessions.outgoing import Orders
from derhead.sessions.records import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample


class TelemetryStore(Protocol):
    """What a session needs of the journal."""

    def append_telemetry_nowait(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> bool: ...

    async def append_telemetry(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> None: ...

    def note(self, record: SessionRecord | HeartbeatRecord) -> None: ...


class Gaps(Protocol):
    """What a session needs of the ledger of gaps."""

    @property
    def changed(self) -> bool: ...

    def take(self) -> list[GapRecord]: ...

    def take_report(self, asset_id: str, report: ReportedGap) -> list[GapRecord]: ...


class Reports(Orders, Protocol):
    """What a session needs of the dispatch desk."""

    @property
    def setpoints_mw(self) -> Mapping[str, float]: ...

    def report_nowait(self, asset_id: str, dispatch_id: str, reported: Reported) -> bool: ...
