"""Faults of the gap ledger, at both ends."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from unittest.mock import patch

from deragent.outbox.gap_book import GapBook
from derhead.gaps.asset_holes import AssetHoles
from derhead.gaps.holes import Hole
from derhead.gaps.ledger import GapLedger
from derhead.gaps.record import GapRecord, HoleCause
from derhead.gaps.tracker import GapTracker, Unfinished
from derhead.gaps.watch import AssetWatch, HeardSession
from tests.soak.mutations.mutation import EveryNth, Table

mutation = Table()
MUTATIONS = mutation.mutations

IN_LEDGER = "every hole is in the gap ledger"
TRUE_CAUSE = "every gap has its true cause"
ENDS = "every gap ends"
OPEN = "a silent asset's gap is open"


@mutation("gaps", "the gap of a silent asset is not closed by its next sample", ENDS)
def lasting_gap_is_not_closed() -> AbstractContextManager[object]:
    return patch.object(AssetHoles, "close_lasting", lambda _holes, _end_us: None)


@mutation("gaps", "no gap is opened while an asset is silent", OPEN)
def silence_opens_no_gap() -> AbstractContextManager[object]:
    return patch.object(AssetWatch, "check_silence", lambda *_arguments: None)


@mutation("gaps", "gaps of lost links are blamed on the headend's restart", TRUE_CAUSE)
def link_counts_as_restart() -> AbstractContextManager[object]:
    ended = AssetWatch.session_ended

    def ended_otherwise(watch: AssetWatch, session: HeardSession, cause: HoleCause) -> None:
        ended(watch, session, HoleCause.HEADEND_RESTART if cause is HoleCause.LINK else cause)

    return patch.object(AssetWatch, "session_ended", ended_otherwise)


@mutation("gaps", "a gap counts as backfilled once one sample of it has come", IN_LEDGER, hours=3)
def gap_counts_as_backfilled() -> AbstractContextManager[object]:
    draw = Hole.record

    def record(hole: Hole, *arguments: object) -> GapRecord:
        drawn = draw(hole, *arguments)  # type: ignore[arg-type]
        return replace(drawn, backfilled=drawn.end_us is not None)

    return patch.object(Hole, "record", record)


@mutation("gaps", "an agent does not report devices that do not answer", IN_LEDGER)
def silent_device_is_not_reported() -> AbstractContextManager[object]:
    return patch.object(GapBook, "note_device", lambda *_arguments, **_named: None)


@mutation("gaps", "an agent does not report that a device answers again", ENDS, IN_LEDGER)
def answer_of_a_device_is_not_reported() -> AbstractContextManager[object]:
    note = GapBook.note_device

    def note_silence(book: GapBook, asset_index: int, ts_us: int, *, answers: bool) -> None:
        if not answers:
            note(book, asset_index, ts_us, answers=False)

    return patch.object(GapBook, "note_device", note_silence)


@mutation(
    "gaps",
    "open gaps are forgotten at the headend's start",
    unseen="a hole that lasts is found again from the newest sample, under the same id, and the end"
    " of the headend explains it too; `tests/unit/gaps` sees it",
)
def open_gaps_are_forgotten_at_start() -> AbstractContextManager[object]:
    restore = GapTracker.restore

    def restore_less(
        tracker: GapTracker, unfinished: Sequence[Unfinished], *rest: Mapping[str, HoleCause]
    ) -> None:
        ended = [each for each in unfinished if each.record.end_us is not None]
        restore(tracker, ended, *rest)

    return patch.object(GapTracker, "restore", restore_less)


@mutation("gaps", "each 10th change of a gap is not journaled", ENDS, IN_LEDGER)
def change_of_a_gap_is_not_journaled() -> AbstractContextManager[object]:
    take, is_due = GapLedger._shown, EveryNth(10)

    def take_fewer(ledger: GapLedger, records: list[GapRecord]) -> Iterable[GapRecord]:
        return [record for record in take(ledger, records) if not is_due()]

    return patch.object(GapLedger, "_shown", take_fewer)
