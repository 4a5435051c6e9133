"""Reloads happen at changes and at SIGHUP, whole or not at all, and never end a daemon."""

import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derproto.base.runtime import virtual_runtime
from derproto.configuration.problems import ConfigError, Problem
from derproto.system import reloading
from derproto.system.file_watch import LOOK_S
from derproto.system.reloading import RETRY_S, Reload, ReloadOutcome, Reloads, watch_hangups

SETTLED_S = 2.5 * LOOK_S


class FakeTokens:
    """A file that is taken if it says ``good``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken = path.read_text()
        self.loads = 0

    async def load(self) -> str:
        await trio.lowlevel.checkpoint()
        self.loads += 1
        text = self.path.read_text()
        if text == "bug":
            raise LookupError("a bug")
        if not text.startswith("good"):
            raise ConfigError([Problem(str(self.path), 1, "token", "bad"), *self._more()])
        self.taken = text
        return text

    def _more(self) -> list[Problem]:
        return [Problem(str(self.path), 2, "token", "worse")]


@pytest.fixture
def tokens(tmp_path: Path) -> FakeTokens:
    path = tmp_path / "tokens"
    path.write_text("good 1")
    return FakeTokens(path)


@asynccontextmanager
async def watched(tokens: FakeTokens) -> AsyncIterator[Reloads]:
    reloads = Reloads(virtual_runtime(0))
    await reloads.add(Reload("tokens", tokens.load, (tokens.path,)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reloads.run)
        yield reloads
        nursery.cancel_scope.cancel()


async def test_a_changed_file_is_reloaded_once(
    tokens: FakeTokens, autojump_clock: MockClock
) -> None:
    async with watched(tokens):
        await trio.sleep(10 * LOOK_S)
        assert tokens.loads == 0
        tokens.path.write_text("good 2")
        await trio.sleep(SETTLED_S)
        assert (tokens.taken, tokens.loads) == ("good 2", 1)
        await trio.sleep(10 * RETRY_S)
        assert tokens.loads == 1


async def test_a_failed_reload_keeps_the_former_files_and_is_tried_again(
    tokens: FakeTokens, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes: list[ReloadOutcome] = []
    async with watched(tokens) as reloads:
        reloads.on_outcome = outcomes.append
        tokens.path.write_text("no")
        await trio.sleep(SETTLED_S)
        assert tokens.taken == "good 1"
        why = f"{tokens.path}:1: token: bad; {tokens.path}:2: token: worse"
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert f'event="not reloaded" what=tokens reason="{why}"' in caplog.text
        assert reloads.failures == {"tokens": why}
        # The same reason is logged once.
        await trio.sleep(2 * RETRY_S)
        assert tokens.loads == 3
        assert len(caplog.records) == 1
        tokens.path.write_text("good 3")
        await trio.sleep(SETTLED_S)
        assert tokens.taken == "good 3"
        assert reloads.failures == {}
    assert outcomes == [
        ReloadOutcome("tokens", failure=why),
        ReloadOutcome("tokens", changed="good 3"),
    ]


async def test_a_reload_added_later_is_watched_too(
    tokens: FakeTokens, tmp_path: Path, autojump_clock: MockClock
) -> None:
    (tmp_path / "later").write_text("good")
    later = FakeTokens(tmp_path / "later")
    async with watched(tokens) as reloads:
        await trio.sleep(LOOK_S)
        await reloads.add(Reload("later", later.load, (later.path,)))
        later.path.write_text("good later")
        await trio.sleep(SETTLED_S)
        assert (later.taken, tokens.loads) == ("good later", 0)


async def test_a_bug_in_a_reload_ends_nothing(
    tokens: FakeTokens, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(tokens) as reloads:
        tokens.path.write_text("bug")
        await trio.sleep(SETTLED_S)
        await trio.sleep(2 * RETRY_S)
        (record,) = caplog.records
        assert record.exc_info
        assert reloads.failures == {"tokens": "LookupError('a bug')"}
        tokens.path.write_text("good again")
        await trio.sleep(SETTLED_S)
        assert tokens.taken == "good again"


async def test_sighup_reloads_all_in_order_and_one_failure_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reloads = Reloads(virtual_runtime(0))
    done: list[str] = []
    reloaded = trio.Event()

    def named(what: str, error: Exception | None = None) -> Callable[[], Awaitable[None]]:
        async def load() -> None:
            await trio.lowlevel.checkpoint()
            done.append(what)
            if error is not None:
                raise error

        return load

    async def last() -> None:
        await named("log level")()
        reloaded.set()

    await reloads.add(Reload("certificates", named("certificates", OSError("no such file"))))
    await reloads.add(Reload("tokens", named("tokens")))
    await reloads.add(Reload("log level", last))
    caplog.set_level(logging.INFO)
    async with trio.open_nursery() as nursery:
        await nursery.start(watch_hangups, reloads.reload_all)
        os.kill(os.getpid(), signal.SIGHUP)
        with trio.fail_after(10):
            await reloaded.wait()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert done == ["certificates", "tokens", "log level"]
    assert [line.partition(" event=")[2] for line in caplog.text.splitlines()] == [
        f"{each} logger={reloading.__name__}"
        for each in (
            "reloading signal=SIGHUP",
            '"not reloaded" what=certificates reason="no such file"',
            "reloaded what=tokens",
            'reloaded what="log level"',
        )
    ]


@pytest.mark.parametrize("ignored", [False, True], ids=["plain", "nohup"])
async def test_sighup_of_a_closed_terminal_ends_the_daemon_unless_nohup(
    ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [True]
    monkeypatch.setattr(reloading, "has_terminal", lambda: there[0])
    reloaded, ended = trio.Event(), trio.Event()

    async def reload() -> None:
        await trio.lowlevel.checkpoint()
        reloaded.set()

    async def await_sigterm(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                ended.set()

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(await_sigterm)
            await nursery.start(watch_hangups, reload)
            there[0] = False
            os.kill(os.getpid(), signal.SIGHUP)
            with trio.fail_after(10):
                await (reloaded if ignored else ended).wait()
            nursery.cancel_scope.cancel()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (reloaded.is_set(), ended.is_set()) == (ignored, not ignored)
