"""The drivers that ship, with their options: as ``deragent drivers`` lists them."""

from deragent.devices import find_driver
from deragent.driver_list import kinds_in_words, rows_of

SHIPPED = ("sunspec", "modbus", "replay", "simulated")


def draw() -> str:
    """A table of the options of each driver that ships, whatever else is installed."""
    lines = []
    for name in SHIPPED:
        installed = find_driver(name)
        kinds = kinds_in_words(installed.driver.kinds)
        lines += [f"`{name}`: {installed.driver.summary}, for {kinds}.", ""]
        lines += ["| option | of kind | type, unit | default | meaning |", "|---|---|---|---|---|"]
        for key, *words in rows_of(installed):
            lines.append(f"| `{key}` | {' | '.join(words)} |")
        lines.append("")
    return "\n".join(lines[:-1])
