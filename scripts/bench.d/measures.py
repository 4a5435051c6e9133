"""Measures, their figures, and the shape of the result."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OURS = "ours"
"""The contestant to compare the others with."""


@dataclass(frozen=True)
class Measure:
    """One quantity that is measured of each contestant."""

    key: str
    """Its name in JSON."""
    title: str
    """Its description for people, with the unit."""
    lower_is_better: bool = False


@dataclass
class Findings:
    """One measure's figures, by contestant and round."""

    measure: Measure
    values: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """By contestant: the reason for a missing figure, or a remark."""

    def add(self, contestant: str, value: float | None) -> None:
        values = self.values.setdefault(contestant, [])
        if value is not None:
            values.append(value)

    def figure(self, contestant: str) -> float | None:
        """The median of its rounds; None if there is none."""
        values = self.values.get(contestant)
        return statistics.median(values) if values else None

    def peers(self) -> list[str]:
        return [name for name in self.values if name != OURS]

    def ratio(self, peer: str) -> float | None:
        """Ours over the peer's."""
        ours, theirs = self.figure(OURS), self.figure(peer)
        return ours / theirs if ours is not None and theirs else None

    def as_json(self) -> dict[str, Any]:
        shape: dict[str, Any] = {
            "ours": _rounded(self.figure(OURS)),
            "peers": {peer: _rounded(self.figure(peer)) for peer in self.peers()},
            "ratio": {peer: _rounded(self.ratio(peer)) for peer in self.peers()},
        }
        if self.notes:
            shape["notes"] = dict(self.notes)
        return shape


def findings_of_json(key: str, shape: Mapping[str, Any]) -> Findings:
    """Figures that a module returns in the shape of the JSON."""
    findings = Findings(Measure(key, str(shape.get("title", key.replace("_", " ")))))
    findings.add(OURS, shape["ours"])
    for peer, value in shape["peers"].items():
        findings.add(peer, value)
    findings.notes.update(shape.get("notes", {}))
    return findings


def as_json(all_findings: Iterable[Findings]) -> dict[str, Any]:
    """The whole result: one object, with one key for each measure."""
    return {findings.measure.key: findings.as_json() for findings in all_findings}


def _rounded(value: float | None) -> float | None:
    """Four digits: more would be noise."""
    return None if value is None else float(f"{value:.4g}")
