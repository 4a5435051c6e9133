"""The program that orders: what it reads, and what it counts of a real headend."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from derhead.dispatch import State
from tests.unit.bench.parts import contest, dispatch, fleets, orders, servers
from tests.unit.bench.test_agents import shop

__all__ = ["shop"]

ID = "2371a1d3-4b7b-4a4e-9d4f-8f3b0a6f5c11"


def answer(status: int, body: str) -> bytes:
    return (
        f"HTTP/1.1 {status} \r\nContent-Type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


def test_answers_are_taken_whole_and_one_by_one() -> None:
    whole = answer(201, f'{{"id":"{ID}","mw":1.0}}') + answer(422, '{"title":"no"}')
    read = bytearray()
    taken = []
    for byte in whole:
        read.append(byte)
        if (one := orders.take_answer(read)) is not None:
            taken.append(one)
    assert taken == [(201, ID), (422, "")]
    assert read == b""


def test_an_answer_without_a_length_is_refused() -> None:
    with pytest.raises(ValueError, match="without its length"):
        orders.take_answer(bytearray(b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n"))


@contextmanager
def journal_file(path: Path) -> Iterator[sqlite3.Connection]:
    file = sqlite3.connect(path, isolation_level=None)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE dispatch_states (dispatch_id TEXT, n INTEGER, state TEXT)")
        yield file
    finally:
        file.close()


def test_only_what_is_committed_has_started(tmp_path: Path) -> None:
    with journal_file(tmp_path / "journal.db") as file:
        journal = orders.Journal(tmp_path / "journal.db")
        file.execute("BEGIN")
        file.execute("INSERT INTO dispatch_states VALUES (?, 3, ?)", (ID, State.STARTED.value))
        assert journal.started({ID: 0.0}) == []
        file.execute("COMMIT")
        assert journal.started({"other": 0.0}) == []
        # Waited for only now: what was there before counts.
        journal.look_anew()
        assert journal.started({ID: 0.0}) == [ID]
        assert journal.started({ID: 0.0}) == []
        journal.close()


def states_in(journal: Path) -> dict[str, int]:
    file = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        return dict(file.execute("SELECT state, count(*) FROM dispatches GROUP BY state"))
    finally:
        file.close()


ASSETS = 8
"""More than orders on their way at a time: of two for one asset that wait together only the
later would be sent."""


@pytest.mark.parametrize("rate", [50, 0])
def test_every_order_of_a_real_headend_starts(rate: float, shop: Any, tmp_path: Path) -> None:
    budget = contest.Budget(quick=True)
    load = dispatch.Load(
        shop,
        budget,
        servers.Servers(shop, budget),
        fleets.write_assets(tmp_path / "assets.yaml", ASSETS),
        fleets.write_agents(tmp_path / "agents.txt", ASSETS, 1),
        number_of_assets=ASSETS,
    )
    with load.running() as (server, _agents, orderer):
        counted = orderer.ask(f"run {rate} 4 0 0.4", 10.0)
        ends = states_in(server.journal)
    assert counted["refused"] == counted["lost"] == 0
    assert counted["orders"] == len(counted["started_us"]) == len(counted["answered_us"]) > ASSETS
    # Each but the last of an asset gave way to the next.
    assert ends == {"superseded": counted["orders"] - ASSETS, "started": ASSETS}
    assert 0 < counted["started"] <= counted["orders"]
    if rate:
        assert counted["orders"] <= 21
    assert all(0 < us < 5e6 for us in counted["started_us"])
