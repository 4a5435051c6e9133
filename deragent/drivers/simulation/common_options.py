"""Options of every driver of this package: the seed of its noise, and its record."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from deragent.devices import PATH, Asset, Option, Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """Noise and record of a simulated device."""

    seed: Annotated[
        int | None,
        Option(
            Whole(0, 10**18 - 1),
            "seed of its noise, clouds and vehicles: the same seed gives the same ones",
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

    def seed_of(self, asset: Asset) -> str:
        """What the device's chances follow from. The same asset always has the same."""
        return asset.id if self.seed is None else str(self.seed)

    def noise_of(self, asset: Asset) -> random.Random:
        """The source of the noise of a meter."""
        return random.Random(self.seed_of(asset))
