"""Two ways to wake a task. Neither holds a backlog."""

from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Signal:
    """Wakes the one task that waits. If none waits, the next wait returns at once."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        """Waits until the signal is set, then clears it.

        Cancellation: the signal stays as it was.
        """
        await self._event.wait()
        self._event = trio.Event()


class Setting(Generic[T]):
    """A value whose changes any number of tasks can wait for."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._changed = trio.Event()

    @property
    def value(self) -> T:
        return self._value

    def set(self, value: T) -> None:
        if value != self._value:
            self._value = value
            self._changed.set()
            self._changed = trio.Event()

    async def wait_change(self) -> None:
        """Waits until the value changes."""
        await self._changed.wait()
