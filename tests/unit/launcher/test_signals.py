"""Signals end the launcher, but for a hangup that ``nohup`` keeps from it."""

import os
import signal

import pytest
import trio
import trio.testing

from launcher.running import stop_on_signal


@pytest.mark.parametrize("ignored", [False, True], ids=["plain", "nohup"])
async def test_nohup_keeps_a_hangup_from_the_fleet(ignored: bool) -> None:
    told: list[object] = []

    def tell(said: str, **keys: object) -> None:
        told.append(keys["signal"])

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    stopped = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_on_signal, stopped.set, tell)
            await trio.testing.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            with trio.fail_after(10):
                await stopped.wait()
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert set(told) == ({"SIGTERM"} if ignored else {"SIGTERM", "SIGHUP"})
