"""Small fleets, as an assets file has them: at the site mesa."""

from pathlib import Path
from typing import Any

import yaml

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.fleet import Fleet

SITE = "5c1f0000-0000-4000-8000-0000000000aa"
BATTERY = "5c1f0000-0000-4000-8000-000000000001"
SOLAR = "5c1f0000-0000-4000-8000-000000000002"
LOAD = "5c1f0000-0000-4000-8000-000000000003"
ADDED = "5c1f0000-0000-4000-8000-000000000004"
BATTERIES = tuple(f"5c1f0000-0000-4000-8000-0000000000{n}" for n in range(10, 14))
NAMES = ("one", "two", "three", "four")
"""Of the batteries, in their order."""


def battery(asset_id: str = BATTERY, name: str = "battery") -> dict[str, Any]:
    return {
        "id": asset_id,
        "name": name,
        "site": SITE,
        "kind": "battery",
        "rated_mw": 2.0,
        "energy_mwh": 8.0,
        "device": {"driver": "simulated", "seed": 1, "soc": 0.5},
    }


def fleet() -> dict[str, Any]:
    """A battery, a solar park that replays the real day, and a load."""
    return {
        "sites": [{"id": SITE, "name": "mesa"}],
        "assets": [
            battery(),
            {
                "id": SOLAR,
                "name": "solar",
                "site": SITE,
                "kind": "solar",
                "rated_mw": 5.0,
                "device": {"driver": "replay"},
            },
            {
                "id": LOAD,
                "name": "load",
                "site": SITE,
                "kind": "load",
                "rated_mw": 1.0,
                "device": {"driver": "simulated", "seed": 2},
            },
        ],
    }


def site_of_batteries(count: int, failsafe_s: float) -> dict[str, Any]:
    """``count`` of ``BATTERIES``, 2 MW each; an agent away for so long gives its part up."""
    assets = [
        {**battery(asset_id, name), "failsafe": {"after_s": failsafe_s}}
        for asset_id, name in list(zip(BATTERIES, NAMES, strict=True))[:count]
    ]
    return {"sites": [{"id": SITE, "name": "mesa"}], "assets": assets}


def write_fleet(folder: Path, fleet: dict[str, Any]) -> Path:
    """Writes the folder's assets file, and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "assets.yaml"
    path.write_text(yaml.safe_dump(fleet, sort_keys=False))
    return path


def read_fleet(folder: Path, fleet: dict[str, Any]) -> Fleet:
    """The fleet as the commands read it, from the folder's assets file."""
    return load_fleet(write_fleet(folder, fleet))
