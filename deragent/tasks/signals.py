"""Two ways of waking a task, each for one purpose. Neither holds a backlog."""

from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Signal:
    """Wakes its one waiting task; set while nobody waits, it wakes the next wait."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        """Waits until it is set, and clears it. Cancellation: it stays as it was."""
        await self._event.wait()
        self._event = trio.Event()


class Setting(Generic[T]):
    """A value that any number of tasks follow as it changes."""

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
        """Waits until the value is another than now."""
        await self._changed.wait()
