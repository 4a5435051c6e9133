"""The benchmark's modules lie beside the script, not in a package."""

import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[3] / "scripts/bench.d"
if str(BENCH) not in sys.path:
    sys.path.append(str(BENCH))
