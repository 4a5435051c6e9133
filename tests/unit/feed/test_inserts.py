"""Rows of the spool as PostgreSQL takes them."""

from derhead.history.postgres.tables.inserts import changes_of
from derhead.history.sql import mapping, row_types
from tests.support.history.records import dispatch


def test_rows_that_older_software_spooled_lack_the_newest_columns() -> None:
    known = dispatch("d", ordered_by="anna", withdrawn_by="bert")
    row, states = mapping.dispatch_row(known), mapping.state_rows(known)
    old = row[: row_types.DISPATCHES.index("ordered_by")]
    (_, (now,)), (_, (before,)) = (
        *changes_of([("dispatches", [row]), ("dispatch_states", states)]),
        *changes_of([("dispatches", [old]), ("dispatch_states", states)]),
    )
    assert now[-3:-1] == ("anna", "bert")
    assert before == (*now[:-3], None, None, now[-1])
