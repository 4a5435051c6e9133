"""The pipe into which all devices of a drill write their records."""

import json
import os
from pathlib import Path

import trio

from derproto.base.timefmt import parse_us
from launcher.judgement.evidence import DeviceNote
from launcher.supervision.output_lines import LineSplitter

READ_BYTES = 65_536


class RecordPipe:
    """Reads the devices' records. A pipe needs no disk, so that a full disk loses no line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, int] = {}
        self.notes: dict[str, list[DeviceNote]] = {}
        """By asset, in the order of arrival."""
        self.missing = 0
        """Lines that did not arrive."""

    async def read(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Reads until cancelled; started once devices can write."""
        os.mkfifo(self._path, 0o600)
        # Open for both, it never ends while no device has it open.
        async with trio.lowlevel.FdStream(os.open(self._path, os.O_RDWR)) as pipe:
            task_status.started()
            lines = LineSplitter()
            async for data in pipe:
                for line in lines.feed(data):
                    self.take(line)

    def take(self, line: str) -> None:
        """Notes one line, and whether lines before it are missing."""
        fields = json.loads(line)
        asset_id, number, did = fields["asset_id"], fields["n"], fields["did"]
        expected = 1 if did == "opened" else self._last.get(asset_id, 0) + 1
        self.missing += max(0, number - expected)
        self._last[asset_id] = number
        note = DeviceNote(
            at_us=parse_us(fields["ts"]),
            did=did,
            mw=fields.get("mw", fields.get("p_mw")),
            frequency_hz=fields.get("frequency_hz"),
        )
        self.notes.setdefault(asset_id, []).append(note)

    def following(self, asset_id: str, mw: float) -> bool:
        """Whether the last command to the device was that power."""
        for note in reversed(self.notes.get(asset_id, ())):
            if note.did != "read":
                return note.did == "told" and note.mw == mw
        return False
