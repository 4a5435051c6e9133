"""The observers of a drill: the operator, the records' pipe, the last answers."""

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derproto.base.runtime import Runtime, virtual_runtime
from derproto.base.timefmt import format_us, parse_us
from derproto.configuration.fleet import AssetKind
from launcher.drilling.drill_operator import DrillOperator
from launcher.drilling.event_reader import EventReader
from launcher.drilling.last_answers import WHOLE_S, read_histories, read_orders
from launcher.drilling.record_pipe import RecordPipe
from launcher.drilling.rest_answers import NoAnswer, Refused, RestAnswers
from launcher.drilling.telemetry_looks import LoopWatch, TelemetryLooks
from launcher.drills.drill_plan import OrderRule
from launcher.drills.drill_times import DrillTime, TimeSpread
from launcher.judgement.evidence import DeviceNote, Evidence, LateSpan, PlacedOrder
from tests.support.assets import make_asset
from tests.support.epoch import T0, S
from tests.support.waiting import PATIENCE_S

BATTERY = make_asset("battery")
LOAD = make_asset("load", AssetKind.LOAD, -1.0, 0.0)


class ToyRest(RestAnswers):
    """A headend that answers as the test says."""

    def __init__(self, answer: Callable[[str, str, dict[str, Any]], Any]) -> None:
        self._answer = answer

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return self._answer(method, path, more)


class ToyDesk:
    """Takes orders; an id for each key."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.bodies: dict[str, list[dict[str, Any]]] = {}
        self.withdrawn: list[str] = []
        self.down = False
        self.refuses = False

    def answer(self, method: str, path: str, more: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise NoAnswer("down")
        if method == "DELETE":
            self.withdrawn.append(path)
            return {}
        if self.refuses:
            raise Refused("422 no")
        key, body = more["headers"]["idempotency-key"], more["json"]
        self.bodies.setdefault(key, []).append(body)
        now_us = self._runtime.wall_us()
        lasting = body.get("duration_s")
        end_us = None if lasting is None else now_us + round(lasting * S)
        return {
            "id": f"id-{key}",
            "start_at": format_us(now_us),
            "end_at": None if end_us is None else format_us(end_us),
        }


def operator(desk: ToyDesk, runtime: Runtime, rule: OrderRule) -> DrillOperator:
    return DrillOperator((BATTERY, LOAD), rule, 60.0, ToyRest(desk.answer), runtime, seed=1)


async def test_each_asset_has_one_order_at_a_time_and_no_two_are_alike(
    autojump_clock: MockClock,
) -> None:
    runtime = virtual_runtime(T0)
    desk = ToyDesk(runtime)
    ten = TimeSpread(DrillTime(10.0), DrillTime(10.0))
    drill = operator(desk, runtime, OrderRule(DrillTime(1.0), ten))
    await drill.place_orders(until_s=60.0)
    for asset in (BATTERY, LOAD):
        mine = [each for each in drill.orders if each.asset_id == asset.id]
        assert 4 <= len(mine) <= 6
        assert len({each.mw for each in mine}) == len(mine)
        assert all(each.mw in asset.limits for each in mine)
        windows = [(each.start_us, each.end_us or 0) for each in mine]
        assert all(a[1] < b[0] for a, b in pairwise(windows))
    # Some are sent again with their key, and are the same order.
    assert any(len(bodies) > 1 for bodies in desk.bodies.values())
    assert all(len(set(each.ids)) == 1 for each in drill.orders)


async def test_an_order_is_sent_with_its_key_until_it_is_answered(
    autojump_clock: MockClock,
) -> None:
    runtime = virtual_runtime(T0)
    desk = ToyDesk(runtime)
    desk.down = True
    drill = operator(desk, runtime, OrderRule(DrillTime(2.0)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drill.place_orders, 3.0)
        await trio.sleep(20)
        assert drill.orders[0].answered_us is None
        desk.down = False
    assert drill.orders[0].asked_us == T0
    assert drill.orders[0].answered_us == pytest.approx(T0 + 20 * S, abs=S)
    assert drill.orders[0].dispatch_id == "id-drill-1-0"


async def test_a_refused_order_is_noted_and_the_asset_is_free_again(
    autojump_clock: MockClock,
) -> None:
    runtime = virtual_runtime(T0)
    desk = ToyDesk(runtime)
    desk.refuses = True
    drill = operator(desk, runtime, OrderRule(DrillTime(1.0)))
    await drill.place_orders(until_s=10.0)
    assert len(drill.orders) > 2
    assert {each.refused for each in drill.orders} == {"422 no"}


async def test_orders_without_an_end_are_withdrawn(autojump_clock: MockClock) -> None:
    runtime = virtual_runtime(T0)
    desk = ToyDesk(runtime)
    drill = operator(desk, runtime, OrderRule(DrillTime(1.0), None))
    await drill.place_orders(until_s=30.0)
    assert [each.asset_id for each in drill.open_orders()] == [
        each.asset_id for each in drill.orders
    ]
    assert len(drill.orders) == 2
    desk.down = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drill.withdraw_open)
        await trio.sleep(5)
        desk.down = False
    assert sorted(desk.withdrawn) == ["/dispatch/id-drill-1-0", "/dispatch/id-drill-1-1"]
    assert drill.open_orders() == []


def line(n: int, did: str, asset_id: str = "a", **values: float) -> str:
    return json.dumps({"ts": format_us(T0), "asset_id": asset_id, "n": n, "did": did, **values})


def test_lines_of_a_record_that_do_not_arrive_are_counted(tmp_path: Path) -> None:
    pipe = RecordPipe(tmp_path / "pipe")
    for each in (line(1, "opened"), line(2, "read"), line(3, "read"), line(1, "opened", "b")):
        pipe.take(each)
    # A new life counts from 1.
    pipe.take(line(1, "opened"))
    pipe.take(line(2, "told", mw=1.5))
    assert pipe.missing == 0
    pipe.take(line(5, "read", p_mw=0.5))
    assert pipe.missing == 2
    assert pipe.following("a", 1.5)
    assert not pipe.following("a", 1.6)
    pipe.take(line(6, "released"))
    assert not pipe.following("a", 1.5)
    assert not pipe.following("nobody", 1.5)


async def test_the_pipe_takes_what_devices_write_while_none_has_it_open(tmp_path: Path) -> None:
    pipe = RecordPipe(tmp_path / "pipe")
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(pipe.read)
            for n in (1, 2):
                fd = os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
                os.write(fd, line(n, "opened" if n == 1 else "read").encode() + b"\n")
                os.close(fd)
            while len(pipe.notes.get("a", ())) < 2:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert [note.did for note in pipe.notes["a"]] == ["opened", "read"]


async def test_a_look_without_an_answer_shows_what_was_known(autojump_clock: MockClock) -> None:
    runtime = virtual_runtime(T0)
    silent = False

    def answer(_method: str, _path: str, _more: dict[str, Any]) -> dict[str, Any]:
        if silent:
            raise NoAnswer("down")
        now = format_us(runtime.wall_us())
        return {"items": [{"asset_id": "a", "ts": now}, {"asset_id": "b", "ts": None}]}

    looks = TelemetryLooks(("a", "b"), ToyRest(answer), runtime)
    with trio.move_on_after(1.5):
        await looks.keep_looking()
    assert not looks.fresh_since(T0 - 1)
    silent = True
    with trio.move_on_after(1.5):
        await looks.keep_looking()
    seen = looks.looks["a"]
    assert [look.newest_us for look in seen[:2]] == [T0, T0 + S]
    assert {look.newest_us for look in looks.looks["b"]} == {None}


async def test_a_loop_that_is_late_is_noted(mock_clock: MockClock) -> None:
    watch = LoopWatch(virtual_runtime(T0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.watch)
        for _ in range(4):
            await wait_all_tasks_blocked()
            mock_clock.jump(0.25)
        await wait_all_tasks_blocked()
        assert watch.late == []
        mock_clock.jump(2.25)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    # It was due after 1.25 s, and was two seconds late.
    assert watch.late == [LateSpan(T0 + S // 4, T0 + 4 * S + S // 4)]


async def test_a_reader_of_events_resumes_and_notes_what_it_missed() -> None:
    reader = EventReader(ToyRest(lambda *_: None), virtual_runtime(T0))

    def change(state: str) -> str:
        return json.dumps({"dispatch": {"id": "one", "state": state}})

    reader.take("7", "hello", json.dumps({"resumed": False}))
    reader.take("8", "dispatch", change("pending"))
    reader.take("8", "hello", json.dumps({"resumed": True}))
    reader.take("9", "dispatch", change("started"))
    reader.take("9", "alive", "{}")
    assert [(each.id, each.state) for each in reader.seen] == [(8, "pending"), (9, "started")]
    assert reader.missed == 0
    reader.take("20", "hello", json.dumps({"resumed": False}))
    assert reader.missed == 1


def evidence() -> Evidence:
    drill = Evidence(assets={"a": make_asset("a")}, agent_of={"a": "x"}, period_s=4, alive_s=10)
    drill.began_us, drill.ended_us = T0, T0 + 60 * S
    drill.notes["a"] = [DeviceNote(T0 + n * S, "read", 0.5, 60 + n / 100) for n in (4, 8, 64)]
    return drill


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_history_is_read_once_it_is_whole_or_the_time_is_over(
    autojump_clock: MockClock, arrives: bool
) -> None:
    drill = evidence()

    def answer(_method: str, path: str, _more: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("gaps"):
            gap = {"start": format_us(T0), "end": None, "cause": "link", "backfilled": False}
            return {"items": [{**gap, "filled_until": None}]}
        there = [4, 8] if arrives and trio.current_time() > 10 else [4]
        return {
            "items": [
                {"ts": format_us(T0 + n * S), "p_mw": 0.5, "frequency_hz": 60 + n / 100}
                for n in there
            ]
        }

    await read_histories(drill, ToyRest(answer))
    assert len(drill.kept["a"]) == (2 if arrives else 1)
    assert trio.current_time() == pytest.approx(12 if arrives else WHOLE_S, abs=3)
    assert drill.gaps["a"][0].cause == "link"


async def test_orders_are_asked_for_until_they_have_ended(autojump_clock: MockClock) -> None:
    def answer(_method: str, path: str, _more: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("lost"):
            raise Refused("404")
        if trio.current_time() < 5:
            raise NoAnswer("busy")
        return {"state": "completed" if trio.current_time() > 10 else "started"}

    placed = [PlacedOrder("a", 1.0, T0, T0, each) for each in ("one", "lost")]
    unanswered = PlacedOrder("a", 1.1, T0)
    orders = await read_orders([*placed, unanswered], ToyRest(answer), 20.0)
    assert [each.state for each in orders] == ["completed", None, None]
    assert parse_us(format_us(T0)) == T0
