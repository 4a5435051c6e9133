"""What a register map says of a device. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from deragent.devices import AssetKind, Limits, OperatingState
from deragent.drivers.modbus.mapped_values import MappedPoint, Raw
from deragent.modbus_tcp.read_plan import MOST_AT_ONCE

QUANTITIES = ("p_mw", "q_mvar", "soc", "voltage_v", "frequency_hz")
"""What a map may measure, by the names of ``Measurement``."""
NAMES = ("manufacturer", "model", "serial", "version")
"""Texts of the nameplate."""
RENEWALS = 3
"""Renewals of a command within the time after which the device reverts."""


@dataclass(frozen=True, slots=True)
class AlarmWord:
    """A register with faults: bits, or codes."""

    point: MappedPoint
    bits: Mapping[int, str]
    """Fault in words by bit, from 0."""
    codes: Mapping[int, str]
    """Fault in words by raw value."""


@dataclass(frozen=True, slots=True)
class DeviceHeartbeat:
    """A register that changes while the device is well."""

    point: MappedPoint
    within_s: float
    """Time within which it must change, seconds."""


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """A register that says what the device is, and what it must say."""

    point: MappedPoint
    allowed: tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class MappedNameplate:
    """What is known of every such device, and where each device says the rest of itself."""

    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By ``NAMES``."""
    points: Mapping[str, MappedPoint] = field(default_factory=lambda: MappingProxyType({}))
    """Likewise."""
    rated_mw: float | MappedPoint | None = None


@dataclass(frozen=True, slots=True)
class FixedWrite:
    """A raw value to write."""

    point: MappedPoint
    raw: float
    compared: bool
    """Whether the register is read back; some can only be written."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """What keeps the device from reverting by itself."""

    period_s: float
    """Time after which the device reverts if nothing is written, seconds."""
    point: MappedPoint | None
    """None: the command itself, written again."""
    value: float
    """What to write there."""
    count_to: int | None
    """If given, a number that counts up to this, and begins again with 0, is written instead."""


@dataclass(frozen=True, slots=True)
class MappedCommand:
    """How the device's active power is steered."""

    setpoint: MappedPoint
    """MW; or a share of the rating, if ``percent``."""
    percent: bool
    took: MappedPoint | None
    """Where the device says what it took; None if the setpoint can only be written."""
    kinds: frozenset[AssetKind]
    """Kinds of assets that it suffices for."""
    before: tuple[FixedWrite, ...]
    after: tuple[FixedWrite, ...]
    release: tuple[FixedWrite, ...]
    limits: Limits | None
    watchdog: Watchdog | None

    @property
    def renewal_s(self) -> float | None:
        """Period of renewals, seconds; None if the device never reverts by itself."""
        return None if self.watchdog is None else self.watchdog.period_s / RENEWALS


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A device, as its map describes it."""

    source: str
    """The document with the device's table of registers."""
    measured: Mapping[str, MappedPoint]
    """By ``QUANTITIES``; at least ``p_mw``."""
    nameplate: MappedNameplate
    identity: Mapping[str, IdentityCheck]
    """By name."""
    status: tuple[MappedPoint, Mapping[int, OperatingState]] | None
    local: tuple[MappedPoint, frozenset[Raw]] | None
    """Raw values that mean that someone at the site has control."""
    alarms: tuple[AlarmWord, ...]
    heartbeat: DeviceHeartbeat | None
    command: MappedCommand | None
    shown: Mapping[str, MappedPoint]
    """Further points, which only a probe reads."""
    most_registers: int = MOST_AT_ONCE
    gaps: bool = True
    """Whether a read may cover registers that the map does not name."""
