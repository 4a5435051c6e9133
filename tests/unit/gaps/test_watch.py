"""The gaps of one asset, scenario by scenario. Times are seconds, the period is 4 s."""

from collections.abc import Callable

import pytest

from derhead.gaps import HoleCause
from tests.support.watched_asset import Headend, Shown

Story = Callable[[Headend], None]


def steady(headend: Headend) -> None:
    headend.live(4, 40)


def a_stall_that_loses_nothing(headend: Headend) -> None:
    headend.live(4, 8)
    headend.wait(30)
    for ts_s in (12, 16, 20, 24, 28):
        headend.sample(ts_s)


def cut_and_come_back(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(60)
    headend.connect()
    headend.sample(60)


def cut_and_filled(headend: Headend) -> None:
    cut_and_come_back(headend)
    headend.backfill(12, 56)


def cut_and_half_filled(headend: Headend) -> None:
    cut_and_come_back(headend)
    headend.backfill(12, 28)


def cut_and_filled_before_anything_live(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(60)
    headend.connect()
    headend.backfill(12, 56)
    headend.sample(60)


def cut_and_overtaken_by_a_live_sample_while_it_fills(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(60)
    headend.connect()
    headend.backfill(12, 40)
    headend.sample(60)
    assert headend.shown() == [(8, 60, "link", 40)]
    headend.backfill(44, 56)


def headend_restarted_and_filled_before_anything_live(headend: Headend) -> None:
    headend.live(4, 8)
    headend.now_s = 40
    headend.start()
    headend.connect()
    headend.backfill(12, 36)
    headend.sample(40)


def cut_and_filled_from_behind(headend: Headend) -> None:
    cut_and_come_back(headend)
    for ts_s in range(56, 8, -4):
        headend.sample(ts_s, backfill=True, seq=1)


def cut_and_still_away(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(60)


def cut_for_a_moment(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.now_s = 16
    headend.connect()
    headend.sample(16)


def cut_before_anybody_looked(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.now_s = 19
    headend.connect()
    headend.sample(19)


def overflow(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(100)
    headend.connect()
    headend.tell(HoleCause.OVERFLOW, 12, 60, rows=13)
    headend.sample(100)
    headend.backfill(64, 96)


def overflow_told_after_the_fill(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(100)
    headend.connect()
    headend.sample(100)
    headend.backfill(64, 96)
    headend.tell(HoleCause.OVERFLOW, 12, 60, rows=13)


def overflow_in_the_middle(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(100)
    headend.connect()
    headend.sample(100)
    headend.backfill(12, 20)
    headend.tell(HoleCause.OVERFLOW, 24, 60, rows=10)
    headend.backfill(64, 96)


def lost_and_nobody_says_why(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(100)
    headend.connect()
    headend.sample(100)
    headend.backfill(64, 96)


def killed_without_a_file(headend: Headend) -> None:
    headend.live(4, 20)
    headend.disconnect()
    headend.wait(40)
    headend.connect(boot_id=2)
    headend.sample(40)


def killed_during_a_cut(headend: Headend) -> None:
    # Measured until 50, of which 42 and on was in memory only; measures again from 60 on.
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(80)
    headend.connect(boot_id=2)
    headend.sample(80)
    headend.backfill(12, 40, boot_id=1)
    headend.backfill(60, 76)


def restarted_and_nothing_is_missing(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect(HoleCause.AGENT_RESTART)
    headend.wait(21)
    headend.connect(boot_id=2)
    headend.sample(21)
    headend.sample(12, 1, backfill=True)
    headend.sample(16, 1, backfill=True)


def restarted_in_less_than_a_period(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect(HoleCause.AGENT_RESTART)
    headend.now_s = 13.5
    headend.connect(boot_id=2)
    headend.sample(13.5)


def restarted_in_two_periods(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect(HoleCause.AGENT_RESTART)
    headend.now_s = 15
    headend.connect(boot_id=2)
    headend.sample(15)


def headend_restarted(headend: Headend) -> None:
    headend.live(4, 8)
    headend.now_s = 40
    headend.start()
    headend.connect()
    headend.sample(40)
    headend.backfill(12, 24)


def headend_restarted_while_an_agent_is_away(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(40)
    headend.start()
    headend.wait(100)
    headend.connect()
    headend.sample(100)


def headend_restarted_amid_a_fill(headend: Headend) -> None:
    cut_and_half_filled(headend)
    headend.start()
    headend.connect()
    headend.backfill(32, 56)
    headend.sample(64)


def headend_and_agent_restarted_amid_a_fill(headend: Headend) -> None:
    killed_during_a_cut(headend)
    headend.start()
    headend.connect(boot_id=2)
    headend.live(84, 88)


def headend_restarted_between_a_killed_agents_register_and_its_fill(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(40)
    headend.connect(boot_id=2)
    headend.start()
    headend.connect(boot_id=2)
    headend.backfill(12, 20, boot_id=1)
    headend.backfill(40, 40)
    headend.now_s = 44
    headend.sample(44)


def headend_restarted_and_nobody_came(headend: Headend) -> None:
    headend.live(4, 8)
    headend.start()
    headend.wait(60)


def device_without_an_answer(headend: Headend) -> None:
    headend.live(4, 8)
    headend.now_s = 20
    assert headend.session is not None
    headend.session.seen_us += 16_000_000
    headend.wait(60)
    headend.sample(60)


def device_told(headend: Headend) -> None:
    headend.live(4, 8)
    headend.tell(HoleCause.DEVICE, 8, None)
    headend.wait(40)
    headend.tell(HoleCause.DEVICE, 8, 40, revision=2)
    headend.sample(40)


def device_told_and_its_agent_replaced(headend: Headend) -> None:
    headend.live(4, 8)
    headend.tell(HoleCause.DEVICE, 8, None)
    headend.live(12, 20, stale=True)
    headend.disconnect()
    headend.connect(boot_id=2)
    headend.sample(24, stale=True)
    headend.sample(28, stale=True)
    assert headend.shown() == [(8, None, "device", None)]
    headend.sample(32)
    headend.sample(36)


def killed_before_it_noted_that_its_device_answers(headend: Headend) -> None:
    headend.live(4, 8)
    headend.sample(12, stale=True)
    headend.tell(HoleCause.DEVICE, 12, None)
    headend.live(16, 20, stale=True)
    headend.live(24, 28)
    headend.disconnect()
    headend.wait(48)
    headend.connect(boot_id=2)
    headend.sample(48)
    headend.tell(HoleCause.DEVICE, 12, 48, revision=2, boot_id=1)
    headend.live(52, 60)


def killed_with_the_headend_before_it_noted_that(headend: Headend) -> None:
    headend.sample(4, stale=True)
    headend.tell(HoleCause.DEVICE, 4, None)
    headend.live(8, 12)
    headend.start()
    headend.now_s = 40
    headend.connect(boot_id=2)
    headend.tell(HoleCause.DEVICE, 4, 40, revision=2, boot_id=1)
    headend.live(40, 60)


def killed_before_it_noted_that_its_device_is_silent(headend: Headend) -> None:
    headend.live(4, 8)
    headend.sample(12, stale=True)
    headend.tell(HoleCause.DEVICE, 12, None)
    headend.disconnect()
    headend.wait(24)
    headend.connect(boot_id=2)
    headend.sample(24, stale=True)
    headend.tell(HoleCause.DEVICE, 24, None)
    headend.live(28, 32)


def headend_restarted_while_a_device_is_silent_and_its_link_cut(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(30)
    headend.connect()
    headend.tell(HoleCause.OVERFLOW, 12, 12, rows=1)
    headend.tell(HoleCause.DEVICE, 24, None, number=2)
    headend.start()
    headend.connect()
    headend.backfill(16, 20)
    headend.sample(24, backfill=True, stale=True)


def answers_again_before_its_agent_says_so(headend: Headend) -> None:
    headend.live(4, 8)
    headend.tell(HoleCause.DEVICE, 12, None)
    headend.sample(12, stale=True)
    headend.disconnect()
    headend.wait(60)
    headend.connect()
    headend.sample(60)
    headend.tell(HoleCause.DEVICE, 12, 32, revision=2)
    headend.backfill(16, 56)


def cut_while_its_device_does_not_answer(headend: Headend) -> None:
    headend.live(4, 8)
    headend.tell(HoleCause.DEVICE, 8, None)
    headend.live(12, 20, stale=True)
    headend.disconnect()
    headend.wait(60)
    headend.connect()
    headend.sample(60)
    headend.tell(HoleCause.DEVICE, 8, 32, revision=2)
    headend.backfill(44, 56)


def clock_set_forward(headend: Headend) -> None:
    headend.live(4, 8)
    headend.live(12, 20, ahead_s=3600)


def clock_set_forward_and_back(headend: Headend) -> None:
    headend.live(4, 8)
    headend.live(12, 20, ahead_s=60)
    headend.live(24, 100)


def clock_set_back(headend: Headend) -> None:
    headend.live(4, 120)
    headend.live(124, 400, ahead_s=-100)


def cut_while_the_clock_is_behind(headend: Headend) -> None:
    headend.live(4, 120)
    headend.live(124, 140, ahead_s=-60)
    headend.disconnect()
    headend.wait(190)
    headend.connect()
    headend.sample(130)
    headend.live(194, 260, ahead_s=-60)


def taken_over(headend: Headend) -> None:
    headend.live(4, 8)
    headend.disconnect()
    headend.wait(60)
    headend.connect("other", boot_id=9)
    headend.sample(60)


def refused(headend: Headend) -> None:
    taken_over(headend)
    headend.tell(HoleCause.REFUSED, 12, 56, rows=12)


STORIES: list[tuple[Story, list[Shown]]] = [
    (steady, []),
    (a_stall_that_loses_nothing, []),
    (cut_and_come_back, [(8, 60, "link", None)]),
    (cut_and_filled, [(8, 60, "link", 60)]),
    (cut_and_half_filled, [(8, 60, "link", 28)]),
    (cut_and_filled_before_anything_live, [(8, 60, "link", 60)]),
    (cut_and_overtaken_by_a_live_sample_while_it_fills, [(8, 60, "link", 60)]),
    (headend_restarted_and_filled_before_anything_live, [(8, 40, "headend_restart", 40)]),
    (cut_and_filled_from_behind, [(8, 20, "link", 20)]),
    (cut_and_still_away, [(8, None, "link", None)]),
    (cut_for_a_moment, []),
    (cut_before_anybody_looked, [(8, 19, "link", None)]),
    (overflow, [(12, 60, "overflow", None), (64, 100, "link", 100)]),
    (overflow_told_after_the_fill, [(12, 60, "overflow", None), (64, 100, "link", 100)]),
    (
        overflow_in_the_middle,
        [(8, 20, "link", 20), (24, 60, "overflow", None), (64, 100, "link", 100)],
    ),
    (lost_and_nobody_says_why, [(8, 64, "link", None), (64, 100, "link", 100)]),
    (killed_without_a_file, [(20, 40, "agent_restart", None)]),
    (
        killed_during_a_cut,
        [(8, 40, "link", 40), (40, 60, "agent_restart", None), (60, 80, "link", 80)],
    ),
    (restarted_and_nothing_is_missing, [(8, 21, "agent_restart", 21)]),
    (restarted_in_less_than_a_period, []),
    (restarted_in_two_periods, [(8, 15, "agent_restart", None)]),
    (
        headend_restarted,
        [(8, 40, "headend_restart", 24)],
    ),
    (headend_restarted_while_an_agent_is_away, [(8, 100, "link", None)]),
    (headend_restarted_amid_a_fill, [(8, 60, "link", 60)]),
    (
        headend_and_agent_restarted_amid_a_fill,
        [(8, 40, "link", 40), (40, 60, "agent_restart", None), (60, 80, "link", 80)],
    ),
    (
        headend_restarted_between_a_killed_agents_register_and_its_fill,
        [(8, 20, "link", 20), (20, 40, "agent_restart", None)],
    ),
    (headend_restarted_and_nobody_came, [(8, None, "headend_restart", None)]),
    (device_without_an_answer, [(8, 60, "device", None)]),
    (device_told, [(8, 40, "device", None)]),
    (device_told_and_its_agent_replaced, [(8, 32, "device", None)]),
    (
        killed_before_it_noted_that_its_device_answers,
        [(12, 24, "device", None), (28, 48, "agent_restart", None)],
    ),
    (
        killed_with_the_headend_before_it_noted_that,
        [(4, 8, "device", None), (12, 40, "agent_restart", None)],
    ),
    (
        killed_before_it_noted_that_its_device_is_silent,
        [(12, 24, "device", None), (24, 28, "device", None)],
    ),
    (
        headend_restarted_while_a_device_is_silent_and_its_link_cut,
        [(8, 24, "link", 24), (12, 12, "overflow", None), (24, None, "device", None)],
    ),
    (
        answers_again_before_its_agent_says_so,
        [(12, 32, "device", None), (12, 60, "link", 60)],
    ),
    (
        cut_while_its_device_does_not_answer,
        [(8, 32, "device", None), (32, 44, "link", None), (44, 60, "link", 60)],
    ),
    (clock_set_forward, [(8, 3612, "clock", None)]),
    (clock_set_forward_and_back, [(8, 24, "clock", None), (24, 72, "clock", 72)]),
    (clock_set_back, []),
    (cut_while_the_clock_is_behind, []),
    (taken_over, [(8, 60, "link", None)]),
    (refused, [(12, 56, "refused", None)]),
]


@pytest.mark.parametrize(("story", "shown"), STORIES, ids=[each.__name__ for each, _ in STORIES])
def test_the_gaps_of_a_scenario(story: Story, shown: list[Shown]) -> None:
    headend = Headend()
    headend.connect()
    headend.sample(0)
    story(headend)
    assert headend.shown() == shown
