"""The rows of one Telemetry message, kept as columns from the wire to the journal.

Twenty thousand rows a second pass through the headend, and few of them are ever read. So the block
makes a ``Sample`` of a row only when a caller reads that row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, overload

from derhead.telemetry.quality import counts_since_us, row_quality
from derhead.telemetry.sample import Sample
from derproto.codec import TelemetryColumns
from derproto.configuration.fleet import Asset


@dataclass(eq=False, repr=False, slots=True)
class SampleBlock(Sequence[Sample]):
    """The rows taken of one message: a sequence of samples, each made when it is read."""

    columns: TelemetryColumns
    rows: Sequence[int]
    """The rows taken, in order."""
    _: KW_ONLY
    agent_id: str
    assets: Mapping[int, Asset]
    """By the index that the rows have for them."""
    received_us: int
    setpoints_mw: Mapping[str, float]
    """MW of each dispatch in force by asset id; must not change."""

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Sample]: ...
    def __getitem__(self, place: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(place, slice):
            return [self.sample(row) for row in self.rows[place]]
        return self.sample(self.rows[place])

    def sample(self, row: int) -> Sample:
        """The sample in a row of the message."""
        asset = self.assets[self.columns.asset_index[row]]
        values = next(self._values((row,), {asset.id: 0}, 0))
        _, ts_us, _, seq, received_us, *measured = values
        boot_id = self.columns.boot_id
        return Sample(asset.id, self.agent_id, boot_id, seq, ts_us, received_us, *measured)

    def since_us(self, row: int) -> int:
        """As ``counts_since_us`` of the sample in a row, which it does not make."""
        columns = self.columns
        asset = self.assets[columns.asset_index[row]]
        return counts_since_us(
            columns.ts_us[row],
            self.received_us,
            row_quality(columns, row, asset, self.received_us),
        )

    def asset_ids(self) -> Iterator[str]:
        """The asset of each row taken, in order."""
        indices, assets = self.columns.asset_index, self.assets
        return (assets[indices[row]].id for row in self.rows)

    def values(self, assets: Mapping[str, int], boot: int) -> Iterator[tuple[Any, ...]]:
        """The values of each row taken, in order; None = unknown.

        The values are asset, ts_us, boot, seq, received_us, p_mw, q_mvar, soc, voltage_v,
        frequency_hz, status, quality, setpoint_mw. ``assets`` maps an asset to the number that
        stands for it, and ``boot`` is the number of the boot.
        """
        return self._values(self.rows, assets, boot)

    def _values(
        self, rows: Sequence[int], numbers: Mapping[str, int], boot: int
    ) -> Iterator[tuple[Any, ...]]:
        columns, assets, received_us = self.columns, self.assets, self.received_us
        indices, times, powers = columns.asset_index, columns.ts_us, columns.p_mw
        q_mvar, soc = columns.q_mvar, columns.soc
        voltage_v, frequency_hz = columns.voltage_v, columns.frequency_hz
        status, setpoints_mw, first_seq = columns.status, self.setpoints_mw, columns.first_seq
        for row in rows:
            asset = assets[indices[row]]
            yield (
                numbers[asset.id],
                times[row],
                boot,
                first_seq + row,
                received_us,
                _known(powers[row]),
                _known(q_mvar[row]) if q_mvar else None,
                _known(soc[row]) if soc else None,
                _known(voltage_v[row]) if voltage_v else None,
                _known(frequency_hz[row]) if frequency_hz else None,
                status[row] if status else 0,
                row_quality(columns, row, asset, received_us),
                setpoints_mw.get(asset.id),
            )


_INFINITY = float("inf")


def _known(value: float) -> float | None:
    # False for NaN and the infinities alike.
    return value if -_INFINITY < value < _INFINITY else None
