"""The sums of a round through the fleet."""

from dataclasses import replace

from derhead.dispatch import Dispatch, State
from derhead.observability.figures.fleet_figures import fleet_metrics
from derhead.observability.figures.fleet_sums import LATE_START_US, FleetStatistics, FleetSums
from derproto.metrics.exposition import Metrics
from derproto.metrics.histogram import Histogram
from tests.support.epoch import HOUR_US, T0, S


def shown(sums: FleetSums, certificate_left_s: float | None) -> list[str]:
    metrics = Metrics()
    ages = Histogram((1.0,)).counts()
    metrics.add(lambda: fleet_metrics(FleetStatistics(sums, ages, 2, None, certificate_left_s)))
    return metrics.render()[0].decode().splitlines()


def test_an_asset_is_online_stale_or_offline() -> None:
    sums = FleetSums()
    for held, age_us in ((True, S), (True, 11 * S), (True, None), (False, S), (False, None)):
        sums.take_asset(held=held, age_us=age_us, stale_us=10 * S)
    lines = shown(sums, None)
    assert 'derhead_assets{state="online"} 1.0' in lines
    assert 'derhead_assets{state="stale"} 2.0' in lines
    assert 'derhead_assets{state="offline"} 2.0' in lines


def test_the_worst_agent_is_shown_whichever_way_its_clock_is_off() -> None:
    sums = FleetSums()
    sums.take_agent(clock_offset_us=2 * S, outbox_rows=5, certificate_end_us=T0)
    sums.take_agent(clock_offset_us=-3 * S, outbox_rows=7, certificate_end_us=T0 - S)
    sums.take_agent(clock_offset_us=0, outbox_rows=0, certificate_end_us=None)
    assert sums.certificate_end_us == T0 - S
    lines = shown(sums, -1.0)
    assert "derhead_agents_clock_offset_worst_seconds 3.0" in lines
    assert "derhead_agents_clock_off 0.0" in lines
    assert "derhead_clock_steps_total 2.0" in lines
    assert "derhead_agents_outbox_rows 12.0" in lines
    assert "derhead_agents_outbox_worst_rows 7.0" in lines
    assert "derhead_agents_certificate_left_seconds -1.0" in lines


def test_a_fleet_without_certificates_shows_none() -> None:
    assert [line for line in shown(FleetSums(), None) if "certificate" in line] == []


def test_a_dispatch_is_late_while_it_could_still_start() -> None:
    waiting = Dispatch("d", "a", 1.0, created_us=T0, start_us=T0, duration_us=HOUR_US)
    late_us = T0 + LATE_START_US + 1

    def is_late(dispatch: Dispatch, now_us: int) -> bool:
        sums = FleetSums()
        sums.take_dispatch(dispatch, now_us)
        return sums.late_dispatches == 1

    assert is_late(waiting, late_us)
    assert is_late(replace(waiting, state=State.RECEIVED), late_us)
    assert not is_late(waiting, late_us - 1)
    assert not is_late(waiting, T0 + HOUR_US)
    assert not is_late(replace(waiting, state=State.STARTED), late_us)
    assert not is_late(replace(waiting, cancelling="withdrawn"), late_us)
