"""A sample as the headend keeps it, in the latest table, in the journal and in JSON. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one asset at one time. Unknown numbers are None, never NaN."""

    asset_id: str
    agent_id: str
    boot_id: int
    """The agent's boot, 1..2**64-1. (boot, seq) identifies a sample of an agent."""
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
    """The setpoint in force when it arrived, MW; None = there was none."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The samples of one asset within one step of time, summed up."""

    start_us: int
    """Start of the step, microseconds since the epoch: a multiple of the length of a step."""
    count: int
    """Number of samples, at least 1."""
    mean_mw: float | None
    """Mean, least, greatest and last known active power, MW; None = none is known."""
    min_mw: float | None
    max_mw: float | None
    last_mw: float | None
