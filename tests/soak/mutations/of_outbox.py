"""Faults of the agent's outbox: in memory, in its file, and towards the headend."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from unittest.mock import patch

from deragent.outbox import FileLookup, Outbox, OutboxRow
from deragent.outbox.file_work import FileWork
from deragent.outbox.outbox_file import OutboxFile
from deragent.outbox.spill_timing import SpillTiming
from deragent.uplink import session_sender
from deragent.uplink.messages import write_telemetry
from derproto.der.v1 import AgentMessage
from tests.soak.mutations.mutation import EveryNth, Table

mutation = Table()
MUTATIONS = mutation.mutations

LOST = "no sample is lost but in a kill's last 10 s"
ACKED_SOON = "a sample is acknowledged within 30 s while its agent is connected"


@mutation("outbox", "an acknowledgement also drops the row after it", LOST)
def ack_takes_a_row_more() -> AbstractContextManager[object]:
    ack = Outbox.ack

    def ack_more(
        outbox: Outbox, boot_id: int, ranges: Iterable[tuple[int, int]], now_s: float
    ) -> None:
        ack(outbox, boot_id, [(first, last + 1) for first, last in ranges], now_s)

    return patch.object(Outbox, "ack", ack_more)


@mutation("outbox", "the file leaves out the last row of each write", LOST)
def spill_forgets_its_last_row() -> AbstractContextManager[object]:
    insert = OutboxFile._insert

    def insert_fewer(file: OutboxFile, rows: Sequence[OutboxRow]) -> int:
        return insert(file, rows[:-1])

    return patch.object(OutboxFile, "_insert", insert_fewer)


@mutation("outbox", "what an earlier process left is read from its second row on", LOST, ACKED_SOON)
def earlier_boot_begins_at_its_second_row() -> AbstractContextManager[object]:
    read = OutboxFile.read

    def read_later(file: OutboxFile, what: FileLookup) -> list[OutboxRow]:
        rows = read(file, what)
        is_start = what.first == 1 and what.boot_id != file._boot_id
        return rows[1:] if is_start else rows

    return patch.object(OutboxFile, "read", read_later)


@mutation("outbox", "rows go to the file after 40 s without acknowledgement, not after 9 s", LOST)
def spill_comes_too_late() -> AbstractContextManager[object]:
    return patch("deragent.outbox.spill_timing.SPILL_AFTER_S", 40.0)


@mutation("outbox", "the file removes acknowledged rows of the wrong boot", LOST, ACKED_SOON)
def file_deletes_of_another_boot() -> AbstractContextManager[object]:
    apply = OutboxFile._apply

    def apply_wrongly(file: OutboxFile, work: FileWork, *limits: object) -> object:
        newest = file._boot_id
        acked = tuple(span._replace(boot_id=newest) for span in work.acked)
        return apply(file, replace(work, acked=acked), *limits)  # type: ignore[arg-type]

    return patch.object(OutboxFile, "_apply", apply_wrongly)


@mutation(
    "outbox", "backfill of an earlier boot is sent under the present boot's id", LOST, ACKED_SOON
)
def backfill_takes_the_present_boot() -> AbstractContextManager[object]:
    write, present = write_telemetry, [0]

    def write_wrongly(boot_id: int, rows: Sequence[OutboxRow], *, backfill: bool) -> AgentMessage:
        if not backfill:
            present[0] = boot_id
        return write(present[0] or boot_id, rows, backfill=backfill)

    return patch.object(session_sender, "write_telemetry", write_wrongly)


@mutation("outbox", "each 400th live message is counted as sent, and is not", ACKED_SOON)
def live_message_is_skipped() -> AbstractContextManager[object]:
    take, is_due = Outbox.take_live, EveryNth(400)

    def take_live(outbox: Outbox, most: int) -> Sequence[OutboxRow]:
        rows = take(outbox, most)
        return take(outbox, most) if rows and is_due() else rows

    return patch.object(Outbox, "take_live", take_live)


@mutation(
    "outbox",
    "rows stay on their way to the file for ever once acknowledgements were late",
    unseen="no promise: nothing is lost, and the disk is worn more",
)
def spilling_never_ends() -> AbstractContextManager[object]:
    return patch.object(SpillTiming, "_calm_down", lambda _timing, _now_s: None)
