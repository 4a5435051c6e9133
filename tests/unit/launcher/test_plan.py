"""Generated fleets, and the agents that run them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import Asset, AssetKind, Fleet
from launcher.fleets.agent_jobs import AgentJob, plan_agents
from launcher.fleets.generated_fleet import MOST_ASSETS, generate

sizes = st.integers(1, 90)
seeds = st.integers(-(2**63), 2**63 - 1)


@given(n=sizes, more=st.integers(0, 40), seed=seeds)
def test_a_bigger_fleet_begins_with_the_smaller(n: int, more: int, seed: int) -> None:
    small, big = generate(n, seed), generate(n + more, seed)
    assert list(big.assets.values())[:n] == list(small.assets.values())
    assert list(big.sites.values())[: len(small.sites)] == list(small.sites.values())


@settings(max_examples=25)
@given(n=sizes, seed=seeds)
def test_a_fleet_reads_back_equal(n: int, seed: int) -> None:
    fleet = generate(n, seed)
    with TemporaryDirectory() as folder:
        path = Path(folder, "assets.yaml")
        path.write_text(render_fleet(fleet), encoding="utf-8")
        assert load_fleet(path) == fleet


@given(n=sizes, seed=seeds)
def test_names_are_unique_and_sites_hold_about_ten(n: int, seed: int) -> None:
    fleet = generate(n, seed)
    assert len(fleet.assets) == n
    assert len({asset.name for asset in fleet.assets.values()}) == n
    assert len({site.name for site in fleet.sites.values()}) == len(fleet.sites)
    assert len(fleet.sites) == (1 if n == 1 else max(2, -(-n // 10)))
    by_site = Counter(asset.site_id for asset in fleet.assets.values())
    assert set(by_site) == set(fleet.sites)
    assert max(by_site.values()) <= 10


def test_ids_of_a_seed_are_the_same_for_ever() -> None:
    assets = list(generate(2, seed=1).assets.values())
    assert [(asset.id, asset.name) for asset in assets] == [
        ("1e74958b-eac2-5a08-a137-cd46992e61f7", "river-solar-01"),
        ("d927bd3d-9d16-5b3b-83b6-419778da7334", "pond-battery-01"),
    ]


def test_seeds_differ() -> None:
    assert generate(30, 1).assets.keys().isdisjoint(generate(30, 2).assets)


def test_five_assets_are_of_all_kinds() -> None:
    assert {asset.kind for asset in generate(5).assets.values()} == set(AssetKind)


def test_more_sites_than_place_names_stay_unique() -> None:
    fleet = generate(1_000)
    assert len({site.name for site in fleet.sites.values()}) == 100


@pytest.mark.parametrize("n", [0, -1, MOST_ASSETS + 1])
def test_an_impossible_size_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"1 to {MOST_ASSETS}"):
        generate(n)


@given(n=sizes, seed=seeds)
def test_each_asset_has_one_agent_of_its_own_by_default(n: int, seed: int) -> None:
    fleet = generate(n, seed)
    assert plan_agents(fleet) == tuple(
        AgentJob(asset.id, asset.name, asset.site_id, (asset.id,))
        for asset in fleet.assets.values()
    )


def _with_agents(fleet: Fleet, of_asset: dict[int, str], of_site: dict[int, str]) -> Fleet:
    sites = [replace(s, agent=of_site.get(i)) for i, s in enumerate(fleet.sites.values())]
    assets = [replace(a, agent=of_asset.get(i)) for i, a in enumerate(fleet.assets.values())]
    return Fleet({s.id: s for s in sites}, {a.id: a for a in assets})


def _named(fleet: Fleet) -> tuple[Asset, ...]:
    return tuple(fleet.assets.values())


def test_assets_that_name_an_agent_share_it() -> None:
    fleet = _with_agents(generate(5), {0: "yard", 2: "yard"}, {})
    assets = _named(fleet)
    yard, *others = plan_agents(fleet)
    assert yard == AgentJob("yard", "yard", assets[0].site_id, (assets[0].id, assets[2].id))
    assert [job.asset_ids for job in others] == [(assets[i].id,) for i in (1, 3, 4)]


def test_a_site_names_the_agent_of_assets_that_name_none() -> None:
    fleet = _with_agents(generate(6), {2: "alone"}, {0: "gateway"})
    assets = _named(fleet)
    jobs = {job.agent_id: job for job in plan_agents(fleet)}
    assert jobs["gateway"].asset_ids == (assets[0].id, assets[4].id)
    assert jobs["alone"] == AgentJob("alone", assets[2].name, assets[2].site_id, (assets[2].id,))


def test_an_agent_of_two_sites_has_no_site() -> None:
    fleet = _with_agents(generate(4), {0: "roaming", 1: "roaming"}, {})
    assert plan_agents(fleet)[0].site_id is None


@given(n=sizes, agents=st.dictionaries(st.integers(0, 89), st.sampled_from(["a", "b", "c"])))
def test_every_asset_is_run_once_by_an_agent_that_may(n: int, agents: dict[int, str]) -> None:
    fleet = _with_agents(generate(n), agents, {1: "b"})
    jobs = plan_agents(fleet)
    run = [asset_id for job in jobs for asset_id in job.asset_ids]
    assert sorted(run) == sorted(fleet.assets)
    assert len({job.agent_id for job in jobs}) == len(jobs)
    for job in jobs:
        for asset_id in job.asset_ids:
            assert fleet.agent_allowed(fleet.assets[asset_id], job.agent_id)
