"""What an agent's own figures say of its link, its samples and its devices."""

from dataclasses import replace

import trio
from trio.testing import MockClock

from deragent.agent_figures import device_figures, link_figures, outbox_figures
from deragent.devices import Nameplate
from derproto.metrics.exposition import Metrics
from tests.stream.agent.conftest import Bench


def figures(bench: Bench) -> dict[str, float]:
    board, metrics = bench.board, Metrics()
    assert board is not None
    metrics.add(lambda: link_figures(board, trio.current_time() - board.now().heard_s))
    metrics.add(lambda: outbox_figures(board, bench.runtime.wall_us()))
    metrics.add(lambda: device_figures(board))
    text = metrics.render()[0].decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
    return {name: float(value) for name, _, value in lines}


async def test_an_outage_shows_and_ends(autojump_clock: MockClock, bench: Bench) -> None:
    await bench.start_session(assets=2)
    await trio.sleep(10)
    shown = figures(bench)
    assert shown["deragent_session_up"] == 1
    assert shown['deragent_devices{health="ok"}'] == 2
    acknowledged = shown['deragent_outbox_removed_rows_total{reason="acknowledged"}']
    assert acknowledged + shown["deragent_outbox_rows"] == shown["deragent_samples_total"]
    bench.headend_leaves()
    await trio.sleep(600)
    shown = figures(bench)
    assert shown["deragent_session_up"] == 0
    assert shown["deragent_headend_silence_seconds"] >= 600
    assert shown["deragent_outbox_oldest_age_seconds"] > 590
    assert shown["deragent_outbox_rows"] > 250
    attempts = shown["deragent_connection_attempts_total"]
    assert attempts > 20
    bench.headend_returns()
    await bench.headend.wait_session(2)
    await trio.sleep(30)
    shown = figures(bench)
    assert shown["deragent_session_up"] == 1
    assert shown["deragent_sessions_total"] == 2
    assert shown["deragent_connection_attempts_total"] > attempts
    assert shown["deragent_outbox_oldest_age_seconds"] < 10


async def test_a_device_that_does_not_answer_is_counted(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await bench.start_session(assets=2)
    await trio.sleep(10)
    assert figures(bench)["deragent_device_errors_total"] == 0
    bench.devices[0].broken = True
    await trio.sleep(20)
    shown = figures(bench)
    assert shown['deragent_devices{health="unreachable"}'] == 1
    assert shown["deragent_device_errors_total"] > 2


async def test_what_devices_say_of_themselves_is_shown(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await bench.start_session(assets=2)
    first = bench.devices[0]
    first.nameplate = Nameplate("Acme", "B-2", "0042", "1.7", rated_mw=2.0)
    first.reading = replace(first.reading, local=True)
    await trio.sleep(10)
    shown = figures(bench)
    assert shown["deragent_devices_local"] == 1
    (info,) = (name for name in shown if name.startswith("deragent_device_info"))
    for said in ('manufacturer="Acme"', 'model="B-2"', 'serial="0042"', 'version="1.7"'):
        assert said in info
