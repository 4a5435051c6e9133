"""Values that answers share: times, numbers and names as JSON writes them. Pure.

An unknown value is null. No number is NaN, and every time is one that RFC 3339 can write.
"""

import math
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta

from derhead.audit import AuditAction
from derhead.dispatch import MAX_DURATION_S, State, VerdictOutcome
from derhead.gaps import HoleCause
from derhead.service_levels import LevelScope, ServicePromise
from derproto.base.timefmt import format_us
from derproto.configuration.fleet import AssetKind
from derproto.der.v1 import OperatingState, QualityBit

Json: TypeAlias = Mapping[str, object]
"""Any of the answers' types."""

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339, UTC."""
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]

Span = Annotated[float, Meta(gt=0, le=MAX_DURATION_S)]
"""Seconds."""
Priority = Annotated[int, Meta(ge=0, le=255)]


def names_of(kind: type[Enum]) -> tuple[str, ...]:
    """The names of a contract's enum as JSON writes them, without the unspecified member."""
    return tuple(each.name.lower() for each in kind if each.value != 0)


if TYPE_CHECKING:
    KindName = str
    OperatingStatus = str
    QualityName = str
    StateName = str
    GapCauseName = str
    OutcomeName = str
    ActionName = str
    ScopeName = str
    PromiseName = str
else:
    # A type checker cannot read the values of an enum; the schemas can.
    KindName = Literal[tuple(kind.value for kind in AssetKind)]
    OperatingStatus = Literal[(*names_of(OperatingState), "unknown")]
    QualityName = Literal[names_of(QualityBit)]
    StateName = Literal[tuple(state.value for state in State)]
    GapCauseName = Literal[tuple(cause.value for cause in HoleCause if cause is not HoleCause.NONE)]
    OutcomeName = Literal[tuple(outcome.value for outcome in VerdictOutcome)]
    ActionName = Literal[tuple(action.value for action in AuditAction)]
    ScopeName = Literal[tuple(scope.value for scope in LevelScope)]
    PromiseName = Literal[tuple(promise.value for promise in ServicePromise)]


def time_of(us: int | None) -> str | None:
    """The time as RFC 3339 text; None if RFC 3339 cannot write it.

    Units: microseconds since the epoch.
    """
    # An agent's clock may show any time.
    try:
        return None if us is None else format_us(us)
    except OverflowError:
        return None


def seconds_of(us: int | None) -> float | None:
    return None if us is None else us / 1e6


def number_of(value: float | None) -> float | None:
    """The number, or None where it is NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None
