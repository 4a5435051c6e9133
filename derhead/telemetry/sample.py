"""One sample, in the latest table, in the journal and as JSON: pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One asset at one time. Unknown numbers are None, never NaN."""

    asset_id: str
    agent_id: str
    boot_id: int
    """The agent's boot that measured it, 1..2**64-1; (boot, seq) names a sample of an agent."""
    seq: int
    """Sequence number within the boot, from 1."""
    ts_us: int
    """When it was measured, by the agent's clock, microseconds since the epoch, UTC."""
    received_us: int
    """When the headend received it, by the headend's clock."""
    p_mw: float | None = None
    """Active power, MW, positive = generation."""
    q_mvar: float | None = None
    """Reactive power, Mvar, positive = injected."""
    soc: float | None = None
    """State of charge, 0..1."""
    voltage_v: float | None = None
    frequency_hz: float | None = None
    status: int = 0
    """A value of ``der.v1.OperatingState``."""
    quality: int = 0
    """Bits as in ``der.v1.QualityBit``."""
    setpoint_mw: float | None = None
    """The dispatch in force when it arrived, MW; None if there was none."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """All samples of one asset in one step of time."""

    start_us: int
    """Start of the step, microseconds since the epoch; a multiple of the step's length."""
    count: int
    """Number of samples, at least 1."""
    mean_mw: float | None
    """Mean, least, greatest and last active power of those known, MW; None if none is."""
    min_mw: float | None
    max_mw: float | None
    last_mw: float | None
