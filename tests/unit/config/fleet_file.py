"""An assets file that several tests share."""

from pathlib import Path

NORTH = "00000000-0000-4000-8000-0000000000a1"
SOUTH = "00000000-0000-4000-8000-0000000000a2"
EMPTY = "00000000-0000-4000-8000-0000000000a3"
ROOF = "00000000-0000-4000-8000-0000000000b1"
BATTERY = "00000000-0000-4000-8000-0000000000b2"
PUMP = "00000000-0000-4000-8000-0000000000b3"
KEPT = "00000000-0000-4000-8000-0000000000b4"

TEXT = f"""\
sites:
  - {{id: {NORTH}, name: North}}
  - {{id: {SOUTH}, name: South, agent: south-1}}
  - {{id: {EMPTY}, name: Empty}}
assets:
  - {{id: {ROOF}, name: Roof, site: North, kind: solar, rated_mw: 5}}
  - {{id: {BATTERY}, name: Battery, site: North, kind: battery, rated_mw: 1.5, energy_mwh: 3}}
  - {{id: {PUMP}, name: Pump, site: South, kind: load, rated_mw: 1}}
  - {{id: {KEPT}, name: Kept, site: North, kind: load, rated_mw: 0.25, agent: other}}
"""


def write_fleet(folder: Path) -> Path:
    """Writes the file and returns its path."""
    path = folder / "assets.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path
