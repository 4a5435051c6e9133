"""Limits how often a log line repeats. Pure."""

from dataclasses import dataclass

PERIOD_S = 10.0

LINES_A_PERIOD = 300
"""Log lines of one logger and one text (without its values) in 10 s. When full, further lines are
left out, and a line says how many."""

TEXTS = 500
"""Texts that are counted one by one. When full, further texts of a logger count together."""

TEXT_CHARACTERS = 200

Key = tuple[str, str]


@dataclass(slots=True)
class _Window:
    """The lines of one text in one period."""

    began_s: float
    lines: int = 0
    left_out: int = 0


class RepeatLimit:
    """Counts lines by logger and text."""

    def __init__(self) -> None:
        self._windows: dict[Key, _Window] = {}
        self._due_s = float("inf")
        self._forgot_s = float("-inf")

    def admits(self, logger: str, text: str, now_s: float) -> bool:
        """Counts one more line; returns whether it may be written."""
        key = (logger, text[:TEXT_CHARACTERS])
        if key not in self._windows and len(self._windows) >= TEXTS:
            self._forget(now_s)
            if len(self._windows) >= TEXTS:
                key = (logger, "")
        window = self._windows.get(key)
        if window is None or (not window.left_out and _is_over(window, now_s)):
            window = self._windows[key] = _Window(now_s)
        window.lines += 1
        if window.lines <= LINES_A_PERIOD:
            return True
        window.left_out += 1
        self._due_s = min(self._due_s, window.began_s + PERIOD_S)
        return False

    def take_left_out(self, now_s: float, *, all_of_them: bool = False) -> list[tuple[Key, int]]:
        """Each text whose lines were left out in a period that is over, with the count, once."""
        if now_s < self._due_s and not all_of_them:
            return []
        over = {
            key: window.left_out
            for key, window in self._windows.items()
            if window.left_out and (all_of_them or _is_over(window, now_s))
        }
        for key in over:
            del self._windows[key]
        waiting = [each.began_s for each in self._windows.values() if each.left_out]
        self._due_s = min(waiting, default=float("inf")) + PERIOD_S
        return list(over.items())

    def _forget(self, now_s: float) -> None:
        if 0 <= now_s - self._forgot_s < PERIOD_S / 10:
            return
        self._forgot_s = now_s
        for key, window in list(self._windows.items()):
            if not window.left_out and _is_over(window, now_s):
                del self._windows[key]


def _is_over(window: _Window, now_s: float) -> bool:
    """Whether the window's period is over; true also if the clock was set back."""
    return not 0 <= now_s - window.began_s < PERIOD_S
