"""The benchmark's fleets: assets, and the agent that claims each of them.

Everything follows from the numbers, so that every process of a run names the same assets.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid5

from derproto.configuration.fleet import Asset, AssetKind, Fleet, Limits, Site

_NAMESPACE = UUID("9d0a4a0e-52a5-5f3c-8d0c-0a7b1f1d3f44")
SITE_ID = str(uuid5(_NAMESPACE, "site"))
RATED_MW = 2.0


def asset_id(number: int) -> str:
    """The UUID of an asset, numbered from 0."""
    return str(uuid5(_NAMESPACE, f"asset {number}"))


def make_fleet(assets: int) -> Fleet:
    """A site of ``assets`` batteries that any agent may claim."""
    ids = [asset_id(number) for number in range(assets)]
    return Fleet(
        sites={SITE_ID: Site(SITE_ID, "bench")},
        assets={
            name: Asset(
                id=name,
                name=f"battery-{number}",
                site_id=SITE_ID,
                kind=AssetKind.BATTERY,
                rated_mw=RATED_MW,
                limits=Limits(-RATED_MW, RATED_MW),
                energy_mwh=4.0,
            )
            for number, name in enumerate(ids)
        },
    )


def write_assets(path: Path, assets: int) -> Path:
    """The same fleet as an ``assets.yaml``."""
    lines = ["sites:", f"- {{id: {SITE_ID}, name: bench}}", "assets:"]
    lines += [
        f"- {{id: {asset_id(number)}, name: battery-{number}, site: bench, kind: battery, "
        f"rated_mw: {RATED_MW}, energy_mwh: 4.0}}"
        for number in range(assets)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def agents(count: int, assets_each: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each agent's id and the assets it claims; no asset twice."""
    for number in range(count):
        first = number * assets_each
        yield f"agent-{number:05}", tuple(map(asset_id, range(first, first + assets_each)))


def agent_number(agent_id: str) -> int:
    """The number of an agent of ``agents``."""
    return int(agent_id.removeprefix("agent-"))


def write_agents(path: Path, count: int, assets_each: int, first: int = 0) -> Path:
    """The agents from ``first`` on as the load generator reads them, a line each."""
    chosen = islice(agents(first + count, assets_each), first, None)
    path.write_text("".join(f"{name} {' '.join(ids)}\n" for name, ids in chosen))
    return path
