"""Who may take the claim on a database, and who has lost it."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from derhead.history.claim.claim_rules import (
    Claim,
    ClaimAnswer,
    ClaimLook,
    Obstacles,
    judge_running,
    judge_start,
)
from derhead.history.claim.claimant import describe_process, is_process_gone
from tests.support.epoch import T0

OURS = Claim(7, "us", "here", "[]", T0, T0, None)
THEIRS = replace(OURS, claimant="them", name="there")
GIVEN_BACK = replace(THEIRS, released_us=T0)
TAKE, HELD, UNSURE, EVICT, REPLACED = ClaimAnswer


@pytest.mark.parametrize(
    ("held", "newest", "is_gone", "free_s", "answer"),
    [
        (False, None, False, 0, TAKE),
        (False, OURS, False, 0, TAKE),
        (False, GIVEN_BACK, False, 0, TAKE),
        (False, THEIRS, True, 0, TAKE),
        (False, THEIRS, False, 0, UNSURE),
        (False, THEIRS, False, 59.9, UNSURE),
        (False, THEIRS, False, 60, TAKE),
        (True, THEIRS, False, 0, HELD),
        (True, OURS, False, 0, HELD),
        (True, None, False, 0, HELD),
    ],
)
def test_a_headend_that_starts(
    held: bool, newest: Claim | None, is_gone: bool, free_s: float, answer: ClaimAnswer
) -> None:
    look = ClaimLook(held, newest)
    assert judge_start(look, "us", is_gone=is_gone, free_s=free_s, takeover_s=60) is answer


@pytest.mark.parametrize(
    ("held", "newest", "term", "answer"),
    [
        # It holds term 7, and its session broke.
        (False, OURS, 7, TAKE),
        (True, OURS, 7, EVICT),
        (False, replace(THEIRS, term=8), 7, REPLACED),
        (True, replace(THEIRS, term=8), 7, REPLACED),
        (False, replace(GIVEN_BACK, term=8), 7, REPLACED),
        # A copy of its folder is in use elsewhere.
        (False, replace(OURS, term=8), 7, REPLACED),
        # The database was set back to a backup, and perhaps claimed since.
        (False, None, 7, TAKE),
        (False, replace(THEIRS, term=6), 7, TAKE),
        (True, replace(THEIRS, term=6), 7, UNSURE),
        (False, THEIRS, 7, REPLACED),
        # It started while PostgreSQL was away.
        (False, None, None, TAKE),
        (False, OURS, None, TAKE),
        (True, OURS, None, UNSURE),
        (False, GIVEN_BACK, None, REPLACED),
        (True, THEIRS, None, REPLACED),
    ],
)
def test_a_headend_that_serves(
    held: bool, newest: Claim | None, term: int | None, answer: ClaimAnswer
) -> None:
    assert judge_running(ClaimLook(held, newest), "us", term) is answer


def test_a_process_is_gone_once_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = describe_process(child.pid)
        assert not is_process_gone(process)
        child.communicate(b"\n")
    assert is_process_gone(process)


def test_another_process_of_the_same_id_does_not_count() -> None:
    boot, space, pid, started = json.loads(describe_process(1))
    assert is_process_gone(json.dumps([boot, space, pid, f"{started}0"]))


@pytest.mark.parametrize("process", ["", "[]", "{}", '["boot", "space", 1, "2"]', "[1, 2, 3, 4]"])
def test_a_process_that_cannot_be_seen_is_not_known_to_be_gone(process: str) -> None:
    assert not is_process_gone(process)


def test_an_obstacle_has_a_line_at_once_and_its_other_words_have_few() -> None:
    obstacles = Obstacles()

    def lines(kind: str, words: str, from_s: int, to_s: int) -> list[int]:
        """When there is a line, if there is an attempt each second; ``{}`` is the second."""
        return [s for s in range(from_s, to_s) if obstacles.is_news(kind, words.format(s), s)]

    assert lines("pooler", "statement {} exists", 0, 30) == [0, 10, 20]
    assert lines("held", "another one holds it", 30, 10_000) == [30]
    assert lines("pooler", "statement {} exists", 10_000, 10_005) == [10_000]
    assert lines("held", "another one holds it", 10_005, 10_100) == [10_005]
