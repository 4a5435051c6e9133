"""The examples of a driver, its tests and a register map, as they stand in their files."""

from tests.support.repository import ROOT

FOLDER = ROOT / "examples/line_battery"


def draw() -> str:
    """The driver."""
    return _code("line_battery.py")


def draw_tests() -> str:
    """The tests of the driver."""
    return _code("test_line_battery.py")


def draw_map() -> str:
    """The register map."""
    text = (ROOT / "examples/battery_map.yaml").read_text(encoding="utf-8")
    return f"```yaml\n{text.rstrip()}\n```"


def _code(file: str) -> str:
    return f"```python\n{(FOLDER / file).read_text(encoding='utf-8').rstrip()}\n```"
