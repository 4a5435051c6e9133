"""Leaks: memory, files, what is left on the disk."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

from deragent.devices import Measurement
from deragent.outbox.outbox_file import OutboxFile
from deragent.tasks.agent_board import AgentBoard
from deragent.timelines.timeline_file import TimelineFile
from tests.soak.mutations.mutation import EveryNth, Table

mutation = Table()
MUTATIONS = mutation.mutations

CALM = "nothing is left once all is calm again"
FLAT = "memory, journal and outbox stay flat"


@mutation("resources", "an agent that stops leaves a file open", CALM, "no file is left open")
def stop_leaves_a_file_open() -> AbstractContextManager[object]:
    close, left = OutboxFile.close, list[int]()

    def close_and_leave(file: OutboxFile) -> None:
        close(file)
        left.append(os.open(os.devnull, os.O_RDONLY))

    return patch.object(OutboxFile, "close", close_and_leave)


@mutation("resources", "each 5th file of timelines leaves its draft", "no temporary file is left")
def draft_is_left() -> AbstractContextManager[object]:
    save, is_due = TimelineFile.save, EveryNth(5)

    def save_and_leave(file: TimelineFile, data: bytes) -> None:
        save(file, data)
        if is_due():
            Path(f"{file.path}.{file.path.stat().st_ino}.tmp").write_bytes(data)

    return patch.object(TimelineFile, "save", save_and_leave)


@mutation("resources", "each measurement leaves a small object in memory", FLAT, hours=8)
def memory_grows() -> AbstractContextManager[object]:
    add, left = AgentBoard.add_sample, list[list[int]]()

    def add_and_keep(
        board: AgentBoard, asset_index: int, measurement: Measurement, quality: int
    ) -> None:
        left.append([asset_index])
        add(board, asset_index, measurement, quality)

    return patch.object(AgentBoard, "add_sample", add_and_keep)
