"""Which stretches are one gap, when a gap is reported, and when it is dropped."""

from itertools import pairwise

import pytest

from deragent.outbox import Gap, GapBook
from deragent.outbox.gap_book import GAPS_KEPT, DeliveredRows, MissingRows
from derproto.der.v1 import GapCause
from tests.support.epoch import S

BOOT = 7


def missing(
    first: int, last: int, *, asset: int = 0, cause: GapCause = GapCause.OVERFLOW
) -> MissingRows:
    """Rows of one asset, one a second."""
    return MissingRows(asset, cause, BOOT, first, last, first * S, last * S, last - first + 1)


def told(book: GapBook) -> list[Gap]:
    gaps = []
    while (gap := book.take()) is not None:
        gaps.append(gap)
    return gaps


def ack_all(book: GapBook, gaps: list[Gap]) -> None:
    for gap in gaps:
        book.ack(gap.boot_id, gap.number, gap.revision)


def test_rows_that_go_one_after_another_are_one_gap_that_grows() -> None:
    book = GapBook(BOOT)
    book.note_missing(missing(1, 10))
    book.note_missing(missing(11, 11))
    book.note_missing(missing(13, 20))
    assert told(book) == [Gap(BOOT, 1, 3, 0, GapCause.OVERFLOW, 1 * S, 20 * S, 19)]


def test_each_asset_and_cause_has_gaps_of_its_own() -> None:
    book = GapBook(BOOT)
    book.note_missing(missing(1, 3))
    book.note_missing(missing(4, 4, asset=1))
    book.note_missing(missing(5, 5, cause=GapCause.REFUSED))
    assert [(gap.asset_index, gap.cause) for gap in told(book)] == [
        (0, GapCause.OVERFLOW),
        (1, GapCause.OVERFLOW),
        (0, GapCause.REFUSED),
    ]


@pytest.mark.parametrize(
    ("delivered", "gaps"),
    [
        (DeliveredRows(0, BOOT, 5, 5), 2),
        (DeliveredRows(0, BOOT, 1, 9), 2),
        (DeliveredRows(0, BOOT, 9, 12), 1),  # what comes next is before it
        (DeliveredRows(0, BOOT, 1, 3), 1),  # all before the gap's end
        (DeliveredRows(1, BOOT, 5, 5), 1),  # of another asset
        (DeliveredRows(0, BOOT + 1, 5, 5), 1),  # of another boot
    ],
)
def test_a_row_that_arrived_ends_a_gap(delivered: DeliveredRows, gaps: int) -> None:
    book = GapBook(BOOT)
    book.note_missing(missing(1, 4))
    book.note_delivered(delivered)
    book.note_missing(missing(7, 8))
    assert len(told(book)) == gaps


def test_a_gap_is_reported_until_its_newest_revision_is_acknowledged() -> None:
    book = GapBook(BOOT)
    book.note_missing(missing(1, 4))
    first = told(book)
    book.note_missing(missing(5, 5))
    ack_all(book, first)
    book.begin_session()
    second = told(book)
    assert [gap.revision for gap in second] == [2]
    ack_all(book, second)
    book.begin_session()
    assert told(book) == []


def test_an_acknowledged_gap_is_dropped_once_it_cannot_grow() -> None:
    book = GapBook(BOOT)
    book.note_missing(missing(1, 4))
    (gap,) = told(book)
    ack_all(book, [gap])
    assert len(book) == 1
    book.note_delivered(DeliveredRows(0, BOOT, 5, 5))
    book.note_missing(missing(6, 6))
    assert gap.key not in book
    unsaved = book.take_unsaved()
    assert (gap.key in unsaved.gone, [g.number for g in unsaved.gaps]) == (True, [2])


def test_the_gap_of_a_device_is_open_until_it_answers() -> None:
    book = GapBook(BOOT)
    for at_s in (10, 14, 18):
        book.note_device(0, at_s * S, answers=False)
    (gap,) = told(book)
    assert (gap.is_open, gap.start_us) == (True, 10 * S)
    ack_all(book, [gap])
    assert gap.key in book
    book.note_device(0, 22 * S, answers=True)
    book.note_device(0, 26 * S, answers=True)
    (gap,) = told(book)
    assert (gap.revision, gap.start_us, gap.end_us) == (2, 10 * S, 22 * S)
    ack_all(book, [gap])
    assert len(book) == 0


def test_a_clock_that_was_set_back_ends_no_gap_before_it_began() -> None:
    book = GapBook(BOOT)
    book.note_device(0, 10 * S, answers=False)
    book.note_device(0, 3 * S, answers=True)
    (gap,) = told(book)
    assert (gap.start_us, gap.end_us) == (10 * S, 10 * S)


@pytest.mark.parametrize("answers", [True, False])
def test_the_first_reading_ends_the_open_gap_of_an_earlier_process(answers: bool) -> None:
    # That process may have been killed just after an answer, before the answer was in the file.
    book = GapBook(BOOT)
    book.restore([Gap(3, 9, 2, 0, GapCause.DEVICE, 10 * S, 0, 0)])
    book.note_device(0, 30 * S, answers=answers)
    earlier, *now = told(book)
    assert earlier == Gap(3, 9, 3, 0, GapCause.DEVICE, 10 * S, 30 * S, 0)
    open_now = Gap(BOOT, 1, 1, 0, GapCause.DEVICE, 30 * S, 0, 0)
    assert now == ([] if answers else [open_now])


def test_a_full_book_widens_the_newest_gap_of_its_kind() -> None:
    book = GapBook(BOOT)
    for number in range(GAPS_KEPT + 100):
        at = 10 * number + 1
        book.note_missing(missing(at, at))
        book.note_delivered(DeliveredRows(0, BOOT, at + 1, at + 1))
    gaps = told(book)
    assert len(book) == len(gaps) == GAPS_KEPT
    assert sum(gap.rows for gap in gaps) == GAPS_KEPT + 100
    last = max(gaps, key=lambda gap: gap.number)
    assert (last.rows, last.end_us) == (101, (10 * (GAPS_KEPT + 99) + 1) * S)
    # Another cause still gets a gap of its own.
    book.note_device(0, 5 * S, answers=False)
    assert len(book) == GAPS_KEPT + 1


def test_gaps_that_could_not_be_saved_are_saved_the_next_time() -> None:
    book = GapBook(BOOT)
    book.note_missing(missing(1, 4))
    unsaved = book.take_unsaved()
    assert not book.has_unsaved
    book.note_missing(missing(5, 6))
    book.put_back(unsaved)
    (gap,) = book.take_unsaved().gaps
    assert gap.rows == 6


def test_numbers_of_one_boot_are_not_used_again() -> None:
    book = GapBook(BOOT)
    for at in range(1, 100, 10):
        book.note_missing(missing(at, at))
        book.note_delivered(DeliveredRows(0, BOOT, at + 1, at + 1))
        ack_all(book, told(book))
    book.note_missing(missing(200, 200))
    numbers = [gap.number for gap in told(book)]
    assert numbers == [11]
    assert all(before < after for before, after in pairwise(numbers))
