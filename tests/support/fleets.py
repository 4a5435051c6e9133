"""A small fleet for tests with processes."""

from typing import Any

SITE = "5c1f0000-0000-4000-8000-0000000000aa"
BATTERY = "5c1f0000-0000-4000-8000-000000000001"
SOLAR = "5c1f0000-0000-4000-8000-000000000002"
LOAD = "5c1f0000-0000-4000-8000-000000000003"
ADDED = "5c1f0000-0000-4000-8000-000000000004"


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
