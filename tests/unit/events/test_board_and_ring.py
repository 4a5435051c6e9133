"""Looks at telemetry, and the newest events in memory."""

import pytest

from derhead.events import DispatchEvent, ring
from derhead.events.board import Board
from derhead.events.frames import alive_frame, frame, telemetry_frame
from derhead.events.ring import Ring
from tests.support.api.fake_headend import DISPATCHED, NOW

OLD, NEW = object(), object()


def look(board: Board, **assets: tuple[object, bool]) -> bool:
    news = board.note(assets.items())
    board.close()
    return news


def test_a_look_notes_changed_and_stale_assets() -> None:
    board = Board()
    assert look(board, a=(OLD, False), b=(OLD, False), c=(OLD, False))
    assert board.look == 1
    assert not look(board, a=(OLD, False), b=(OLD, False), c=(OLD, False))
    assert look(board, a=(NEW, False), b=(OLD, True), c=(OLD, False))
    assert [name for name in "abc" if board.changed_since(name, 2)] == ["a", "b"]
    assert [name for name in "abc" if board.changed_since(name, 0)] == ["a", "b", "c"]
    assert not any(board.changed_since(name, 3) for name in "abc")
    assert look(board, b=(OLD, False))
    assert [name for name in "abc" if board.changed_since(name, 3)] == ["b"]


def test_an_equal_object_counts_as_a_change() -> None:
    board = Board()
    look(board, a=([], False))
    assert look(board, a=([], False))


def test_changes_are_visible_only_after_the_look() -> None:
    board = Board()
    look(board, a=(OLD, False))
    board.note([("a", (NEW, False))])
    # A reader that takes it now remembers look 1, and gets it again.
    assert board.look == 1
    board.close()
    assert board.changed_since("a", 1)


def test_after_a_clear_every_asset_has_changed() -> None:
    board = Board()
    assert not board.ready
    look(board, a=(OLD, False))
    assert board.ready
    board.clear()
    assert not board.ready
    assert look(board, a=(OLD, False))
    # Also for a reader that had it before.
    assert board.changed_since("a", 1)


def events(*ids: int) -> list[DispatchEvent]:
    return [DispatchEvent(n, NOW, DISPATCHED) for n in ids]


def ids_since(held: Ring, event_id: int) -> list[int] | None:
    found = held.since(event_id)
    return None if found is None else [entry.event.id for entry in found]


def test_a_ring_has_all_events_since_its_beginning() -> None:
    held = Ring(10)
    assert ids_since(held, 10) == []
    held.extend(events(11, 12, 15))
    assert held.newest == 15
    assert ids_since(held, 9) is None
    assert ids_since(held, 10) == [11, 12, 15]
    assert ids_since(held, 12) == ids_since(held, 13) == [15]
    assert ids_since(held, 15) == ids_since(held, 99) == []


def test_a_full_ring_drops_the_oldest_and_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "EVENTS_IN_MEMORY", 3)
    held = Ring(10)
    held.extend(events(11, 12, 13, 14, 15))
    assert ids_since(held, 11) is None
    assert ids_since(held, 12) == [13, 14, 15]


def test_an_events_bytes_are_made_once() -> None:
    held = Ring(0)
    held.extend(events(1))
    (entry,) = held.since(0) or ()
    made: list[bytes] = []

    def render(event: object) -> bytes:
        made.append(b"text")
        return made[-1]

    assert entry.text(render) is entry.text(render)
    assert len(made) == 1


def test_frames_follow_the_standard() -> None:
    assert frame("dispatch", '{"a":1}', 7) == b'id: 7\nevent: dispatch\ndata: {"a":1}\n\n'
    assert telemetry_frame(['{"a":1}', "{}"]) == (
        b'event: telemetry\ndata: {"items":[{"a":1},{}]}\n\n'
    )
    assert alive_frame("{}", 3) == b": alive\nid: 3\nevent: alive\ndata: {}\n\n"
