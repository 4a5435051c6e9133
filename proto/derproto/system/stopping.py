"""Stopping a daemon: SIGTERM or SIGINT stops it in order, a second signal at once."""

import signal

import trio

from derproto.stdio.log_events import event_log

log = event_log(__name__)


async def watch_signals(
    stopping: trio.Event, scope: trio.CancelScope, *, within_s: float = float("inf")
) -> None:
    """Sets ``stopping`` at the first signal; cancels ``scope`` at the second.

    ``within_s`` seconds after the first signal the scope is cancelled in any case. Runs until
    cancelled.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if stopping.is_set():
                scope.cancel()
                return
            log.info("stopping", signal=signal.Signals(number).name)
            stopping.set()
            scope.deadline = trio.current_time() + within_s
