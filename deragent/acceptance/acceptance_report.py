"""The result of an acceptance test: as a table, as JSON, and as lines for assets.yaml. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType

from deragent.acceptance.acceptance_record import AcceptanceRecord
from derproto.base.timefmt import format_us
from derproto.configuration.fleet import Asset, StepResponse
from derproto.stdio.terminal import columns


@dataclass(frozen=True, slots=True)
class AcceptanceFacts:
    """What the result says besides the record."""

    asset: Asset
    wall_us: int
    """When the test began, microseconds since the epoch."""
    version: str
    """Of the agent."""
    interrupted: str = ""
    """Why it ended early; empty if it did not."""

    def word(self, record: AcceptanceRecord) -> str:
        """The result in a word."""
        if self.interrupted:
            return "interrupted"
        return record.result.value

    def lines(self, record: AcceptanceRecord) -> Iterator[tuple[str, str]]:
        """What was tested, when and with what, as names and values."""
        asset, plate = self.asset, record.nameplate
        yield "asset", f"{asset.name} ({asset.kind}, {asset.rated_mw:g} MW), {asset.id}"
        yield "limits", f"{asset.limits.min_mw:g} to {asset.limits.max_mw:g} MW"
        named = (plate.manufacturer, plate.model, plate.serial, plate.version)
        yield "device", " ".join(part for part in named if part) or "does not say what it is"
        yield "driver", f"{asset.device.driver}, deragent {self.version}"
        yield "began", format_us(self.wall_us)
        yield "took", f"{record.ended_s - record.started_s:.0f} s"
        if self.interrupted:
            yield "interrupted", self.interrupted


def response_text(response: StepResponse) -> str:
    """The ``response`` section of the asset."""
    parts = [f"{key}: {value:.3g}" for key, value in asdict(response).items() if value is not None]
    return f"response: {{{', '.join(parts)}}}"


def text_of_record(facts: AcceptanceFacts, record: AcceptanceRecord) -> Iterator[RenderableType]:
    """The result for people."""
    for name, value in facts.lines(record):
        yield f"{name}: {value}"
    table = columns("CHECK", "VERDICT", "WHAT WAS FOUND", words=3)
    for check in record.checks:
        table.add_row(check.name, check.outcome, check.words)
    yield table
    yield facts.word(record)
    if record.response is not None:
        yield f"for assets.yaml:\n    {response_text(record.response)}"


def shape_of_record(facts: AcceptanceFacts, record: AcceptanceRecord) -> dict[str, Any]:
    """The result as JSON. Times are seconds from the start."""
    began_s = record.started_s
    return {
        "asset_id": facts.asset.id,
        "asset": facts.asset.name,
        "device": asdict(record.nameplate),
        "driver": facts.asset.device.driver,
        "version": facts.version,
        "began": format_us(facts.wall_us),
        "took_s": record.ended_s - began_s,
        "result": facts.word(record),
        "interrupted": facts.interrupted or None,
        "checks": [
            {
                "check": check.name,
                "outcome": check.outcome,
                "words": check.words,
                "figures": check.figures,
            }
            for check in record.checks
        ],
        "response": None if record.response is None else asdict(record.response),
        "steps": [
            {
                "check": trial.check,
                "at_s": trial.order_s - began_s,
                "mw": trial.mw,
                "target_mw": trial.target_mw,
                "band_mw": trial.band_mw,
                "settled": trial.settled,
                "measures": None if trial.measures is None else asdict(trial.measures),
            }
            for trial in record.steps
        ],
        "orders": [{"at_s": each.at_s - began_s, "mw": each.mw} for each in record.orders],
        "readings": [
            {"at_s": each.at_s - began_s, "p_mw": each.p_mw, "soc": each.soc}
            for each in record.readings
        ],
    }
