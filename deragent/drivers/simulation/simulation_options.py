"""Options that every simulated device has."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from deragent.devices import PATH, Asset, Option, Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions:
    """Noise and record of a simulated device."""

    seed: Annotated[
        int | None,
        Option(
            Whole(0, 10**18 - 1),
            "seed of its noise: the same seed gives the same noise",
            unset="the asset's id",
        ),
    ] = None
    record: Annotated[
        Path | None,
        Option(
            PATH,
            "file or named pipe for a record, as lines of JSON, of what it measured and was told",
            unset="none",
        ),
    ] = None

    def noise_of(self, asset: Asset) -> random.Random:
        """The source of the device's noise. The same asset always gets the same."""
        return random.Random(asset.id if self.seed is None else str(self.seed))
