"""The parts of the headend that sessions use, as protocols, and the context they share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from derhead.dispatch import Dispatch, Reported, SessionLink
from derhead.gaps import GapRecord, ReportedGap
from derhead.sessions.streams.acknowledger import Acknowledger
from derhead.sessions.streams.allowances import AgentAllowances
from derhead.sessions.streams.queue_depths import QueueDepths
from derhead.sessions.streams.session_meter import Excess
from derhead.sessions.terms.session_limits import SessionLimits
from derhead.sessions.terms.session_records import HeartbeatRecord, SessionRecord
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import Runtime


class TelemetryStore(Protocol):
    """The journal, as a session uses it."""

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


class SessionGaps(Protocol):
    """The ledger of gaps, as a session uses it."""

    @property
    def changed(self) -> bool: ...

    def take(self) -> list[GapRecord]: ...

    def take_report(self, asset_id: str, report: ReportedGap) -> list[GapRecord]: ...


class SessionLevels(Protocol):
    """The keeper of service levels, as sessions use it."""

    def session_began(self, session: object, asset_ids: Iterable[str]) -> None: ...

    def session_ended(self, session: object, asset_ids: Iterable[str]) -> None: ...


class SetpointDesk(Protocol):
    """The dispatch desk, as the sending half of a session uses it."""

    def get(self, dispatch_id: str) -> Dispatch | None: ...

    def setpoint_written_nowait(self, dispatch_id: str) -> None: ...

    async def report(self, asset_id: str, dispatch_id: str, reported: Reported) -> None: ...

    def session_has_room_nowait(self, link: SessionLink) -> None: ...


class ReportDesk(SetpointDesk, Protocol):
    """The dispatch desk, as both halves of a session use it."""

    @property
    def setpoints_mw(self) -> Mapping[str, float]: ...

    def report_nowait(self, asset_id: str, dispatch_id: str, reported: Reported) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """The parts that all sessions of a headend share."""

    desk: ReportDesk
    latest: LatestTable
    gaps: SessionGaps
    store: TelemetryStore
    limits: SessionLimits
    runtime: Runtime
    acknowledger: Acknowledger
    allowances: AgentAllowances
    excess: Excess
    depths: QueueDepths
    on_heartbeat: Callable[[HeartbeatRecord], None]
