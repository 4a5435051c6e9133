"""What ends a command early: a key on its terminal, a signal, or the loss of the terminal."""

import os
import signal
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import trio

LOCAL_FLAGS = 3
"""Place of the local flags in what ``termios.tcgetattr`` returns."""


@asynccontextmanager
async def open_early_end() -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Within the block no signal ends the process. The function that is given returns the reason
    once one has come, or a key was pressed.

    Ctrl-C and Ctrl-Z are keys, too: nothing may stop the process while a device follows an order.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup the command outlives its terminal. Otherwise, too, it must still write its result:
    # Trio delivers a signal once more that nobody took.
    if signal.signal(signal.SIGHUP, signal.SIG_IGN) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    ended = trio.Event()
    reasons: list[str] = []

    def end(reason: str) -> None:
        reasons.append(reason)
        ended.set()

    async def wait_end() -> str:
        await ended.wait()
        return reasons[0]

    with trio.open_signal_receiver(*numbers) as signals, _keys() as terminal:
        async with trio.open_nursery() as nursery:

            async def take_signals() -> None:
                async for number in signals:
                    end(signal.Signals(number).name)

            async def take_key(terminal: int) -> None:
                await trio.lowlevel.wait_readable(terminal)
                end("a key was pressed")

            nursery.start_soon(take_signals)
            if terminal is not None:
                nursery.start_soon(take_key, terminal)
            yield wait_end
            nursery.cancel_scope.cancel()


@contextmanager
def _keys() -> Iterator[int | None]:
    """The descriptor of the terminal, which tells each key at once; None without a terminal."""
    terminal = _terminal()
    if terminal is None:
        yield None
        return
    former = termios.tcgetattr(terminal)
    keys = termios.tcgetattr(terminal)
    keys[LOCAL_FLAGS] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    termios.tcsetattr(terminal, termios.TCSAFLUSH, keys)
    try:
        yield terminal
    finally:
        # The terminal may be gone.
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSAFLUSH, former)


def _terminal() -> int | None:
    """The terminal of a command in its foreground; None if there is none."""
    try:
        number = sys.stdin.fileno()
        if not os.isatty(number) or os.tcgetpgrp(number) != os.getpgrp():
            return None
    except (OSError, ValueError):
        return None
    return number
