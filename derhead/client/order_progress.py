"""How far an ordered dispatch has come, of an asset or of a whole site, and its exit code. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from derhead.client.exits import Exit
from derhead.client.rendering import clock, verdict_line

Json = Mapping[str, Any]

OPEN_STATES = ("pending", "sent", "received", "started")

ENDED_WELL = "completed"

_OUTCOMES = {"achieved": Exit.DONE, "deviating": Exit.REFUSED}


def end_of(dispatch: Json) -> int | None:
    """The exit code; None while the dispatch or its verdict is open."""
    if dispatch["state"] in OPEN_STATES:
        return None
    if dispatch["state"] != ENDED_WELL:
        return Exit.REFUSED
    verdict = dispatch["verdict"]
    if verdict is None or not verdict.get("final", True):
        return None
    return _OUTCOMES.get(verdict["outcome"], Exit.UNMEASURED)


class SiteProgress:
    """The parts of an order to a site, as events change them."""

    def __init__(self, group: Json) -> None:
        self.group_id = group["id"]
        self._parts = {part["id"]: part for part in group["parts"]}

    def take(self, dispatch: Json) -> bool:
        """Takes a changed dispatch; returns whether it is a part."""
        if dispatch["group_id"] != self.group_id:
            return False
        self._parts[dispatch["id"]] = dispatch
        return True

    def line(self) -> str:
        """How many assets are in each state; an asset that took over counts once."""
        changes = [part["states"][-1]["at"] for part in self._parts.values() if part["states"]]
        counts = Counter(part["state"] for part in self._newest())
        words = ", ".join(f"{count} {state}" for state, count in counts.items())
        return f"{clock(max(changes, default=None))}  {words}"

    @property
    def settled(self) -> bool:
        """No part is open, and every completed one has its verdict."""
        return all(end_of(part) is not None for part in self._newest())

    def end(self, group: Json) -> int:
        """The exit code of a settled order; ``group`` is the order as it is now.

        It is achieved if its parts are, and no power was missing.
        """
        if group["state"] != ENDED_WELL or group["shortfall_mw"]:
            return Exit.REFUSED
        codes = {end_of(part) for part in self._newest() if part["state"] == ENDED_WELL}
        worst = (code for code in (Exit.REFUSED, Exit.UNMEASURED) if code in codes)
        return next(worst, Exit.DONE)

    def verdicts(self, names: Mapping[str, str]) -> list[str]:
        """A line for each asset that was judged; ``names`` has the assets' names by id."""
        judged = [part for part in self._newest() if part["verdict"] is not None]
        return [
            f"  {names.get(part['asset_id'], part['asset_id'])}: {verdict_line(part['verdict'])}"
            for part in judged
        ]

    def _newest(self) -> list[Json]:
        """Each asset's newest part."""
        found = sorted(self._parts.values(), key=lambda part: str(part["created_at"]))
        return list({part["asset_id"]: part for part in found}.values())
