"""The imaginary battery itself, for tests, and to try the driver: ``imaginary_battery.py PORT``."""

import sys
from functools import partial

import trio


class ImaginaryBattery:
    """What the battery holds, and what is wrong with it."""

    def __init__(self) -> None:
        self.setpoint_mw: float | None = None
        self.local = False
        self.mood = "well"
        """``well``, ``mute``, ``rude`` (closes at once), ``garbled`` or ``half`` (its answers)."""

    async def converse(self, stream: trio.SocketStream) -> None:
        """One connection: one question, one answer."""
        async with stream:
            try:
                question = await stream.receive_some(256)
                if self.mood == "mute":
                    await trio.sleep_forever()
                if self.mood != "rude":
                    await stream.send_all(self._answer(question.decode().split()))
            except trio.BrokenResourceError:
                pass

    def _answer(self, question: list[str]) -> bytes:
        answer = self._words(question)
        if self.mood == "garbled":
            answer = f"OK {answer[::-1]}"
        return answer.encode() if self.mood == "half" else f"{answer}\n".encode()

    def _words(self, question: list[str]) -> str:
        match question:
            case ["WHO"]:
                return "OK Acme B-2 0042 2.0"
            case ["READ"]:
                return f"OK {self.setpoint_mw or 0.0} 0.6 {'local' if self.local else 'remote'}"
            case ["HOLD" | "RELEASE", *_] if self.local:
                return "LOCAL"
            case ["HOLD", mw]:
                self.setpoint_mw = float(mw)
                return "OK"
            case ["RELEASE"]:
                self.setpoint_mw = None
                return "OK"
        return "WHAT"


if __name__ == "__main__":
    battery = ImaginaryBattery()
    trio.run(partial(trio.serve_tcp, battery.converse, int(sys.argv[1]), host="127.0.0.1"))
