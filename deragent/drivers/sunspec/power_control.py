"""How a device's active power is steered: what to write, and what it says that it took. Pure.

Every command carries the device's own reversion timer, where it has one. Values and timer are
written first, and the enabling point last, which begins the timer anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deragent.devices import AssetKind, Limits
from deragent.drivers.sunspec.model_layout import ModelLayout
from deragent.drivers.sunspec.point_values import Scale, encode
from deragent.modbus_tcp.read_plan import RegisterImage, Span

WATTS_IN_MW = 1e6
ENABLED, DISABLED = 1, 0
WATTS = 1
"""``WSetMod`` of model 704: the setpoint is in watts."""


@dataclass(frozen=True, slots=True)
class ControlForm:
    """The points of one way to steer."""

    model_id: int
    enable: str
    value: str
    timer: str
    mode: str = ""
    enable_back: str = ""
    """What ``enable`` becomes when the timer ends."""
    limits_only: bool = False
    """The value is a limit in percent of the greatest power; else the power itself."""


FORMS = (
    ControlForm(704, "WSetEna", "WSet", "WSetRvrtTms", "WSetMod", "WSetEnaRvrt"),
    ControlForm(
        704,
        "WMaxLimPctEna",
        "WMaxLimPct",
        "WMaxLimPctRvrtTms",
        enable_back="WMaxLimPctEnaRvrt",
        limits_only=True,
    ),
    ControlForm(123, "WMaxLim_Ena", "WMaxLimPct", "WMaxLimPct_RvrtTms", limits_only=True),
)
"""The first that a device offers counts. A limit steers only what a limit suffices for: the sun."""

GREATEST = ((702, "WMax"), (702, "WMaxRtg"), (121, "WMax"), (120, "WRtg"))
"""Points with the greatest power, W. The first that a device has counts."""


@dataclass(frozen=True, slots=True)
class PowerControl:
    """One device's way to be steered."""

    form: ControlForm
    layout: ModelLayout
    scale: Scale
    """Of the value."""
    most_mw: float | None
    """The greatest power that the device is set to."""
    has_timer: bool

    @property
    def limits(self) -> Limits | None:
        """The setpoints that it can take; None if the device does not say."""
        if self.most_mw is None:
            return None
        return Limits(0.0 if self.form.limits_only else -self.most_mw, self.most_mw)

    @property
    def resolution_mw(self) -> float:
        """The smallest difference between two setpoints."""
        step = self.scale.up(1)
        return step / 100 * (self.most_mw or 0.0) if self.form.limits_only else step / WATTS_IN_MW

    def commands(self, mw: float, reversion_s: int) -> Iterator[tuple[Span, bytes]]:
        """What to write, in order, so that the device holds ``mw`` for that time.

        Raises: UnfitValueError.
        """
        form = self.form
        if form.limits_only:
            value = 100 * mw / self.most_mw if self.most_mw else 0.0
        else:
            value = mw * WATTS_IN_MW
        if form.mode:
            yield self._write(form.mode, WATTS)
        yield self._write(form.value, value, self.scale)
        if form.enable_back and form.enable_back in self.layout.points:
            yield self._write(form.enable_back, DISABLED)
        if self.has_timer:
            yield self._write(form.timer, reversion_s)
        yield self._write(form.enable, ENABLED)

    def releases(self) -> Iterator[tuple[Span, bytes]]:
        """What to write so that the device controls itself."""
        yield self._write(self.form.enable, DISABLED)

    def spans(self) -> Iterator[Span]:
        """What to read to know what the device took."""
        for path in (self.form.enable, self.form.value, self.form.mode):
            yield from self.layout.spans(path)

    def taken_mw(self, image: RegisterImage) -> float | None:
        """The power that the device says it holds; None if it controls itself."""
        form, layout = self.form, self.layout
        value = layout.value(form.value, image)
        if layout.value(form.enable, image) != ENABLED or not isinstance(value, int | float):
            return None
        if form.mode and layout.value(form.mode, image) != WATTS:
            return None
        if form.limits_only:
            return value / 100 * (self.most_mw or 0.0)
        return value / WATTS_IN_MW

    def _write(self, path: str, value: float, scale: Scale | None = None) -> tuple[Span, bytes]:
        place = self.layout.points[path]
        return place.span, encode(place.definition, value, scale or Scale())


def choose_control(
    models: Mapping[int, ModelLayout], image: RegisterImage, kind: AssetKind
) -> PowerControl | None:
    """The way to steer a device of that kind; None if it offers none."""
    most_mw = _greatest_mw(models, image)
    for form in FORMS:
        layout = models.get(form.model_id)
        if layout is None or layout.value(form.value, image) is None:
            continue
        scale = layout.scale(form.value, image)
        if scale is None or layout.value(form.enable, image) is None:
            continue
        if form.limits_only and (kind is not AssetKind.SOLAR or most_mw is None):
            continue
        has_timer = layout.value(form.timer, image) is not None
        return PowerControl(form, layout, scale, most_mw, has_timer)
    return None


def _greatest_mw(models: Mapping[int, ModelLayout], image: RegisterImage) -> float | None:
    for model_id, path in GREATEST:
        value = models[model_id].value(path, image) if model_id in models else None
        if isinstance(value, int | float) and value > 0:
            return value / WATTS_IN_MW
    return None
