"""Damage to a file: what disks, copies and power cuts leave of it."""

import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from hypothesis import strategies as st

PAGE = 4096

Damage = tuple[str, float, int, int]
"""What is done, where (a share of the file), how long, and the seed of its bytes."""

damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "junk", "zeros", "page", "swap", "cut", "grow"]),
        # The schema is in the first page.
        st.one_of(st.floats(0, 1, exclude_max=True), st.floats(0, 0.05)),
        st.integers(1, 64),
        st.integers(0, 2**16),
    ),
    min_size=1,
    max_size=5,
)


def hurt(path: Path, damage: Damage) -> None:
    kind, share, length, seed = damage
    data = bytearray(path.read_bytes())
    if not data:
        return
    at, junk = int(share * len(data)), random.Random(seed)
    start = at // PAGE * PAGE
    match kind:
        case "flip":
            data[at] ^= 1 << seed % 8
        case "junk":
            data[at : at + length] = junk.randbytes(length)
        case "zeros":
            data[at : at + length] = bytes(length)
        case "page":
            data[start : start + PAGE] = junk.randbytes(PAGE)
        case "swap":
            other = seed % max(len(data) // PAGE, 1) * PAGE
            data[start : start + PAGE] = data[other : other + PAGE]
        case "cut":
            del data[at:]
        case _:
            data += junk.randbytes(length * 100)
    path.write_bytes(data)


Fouling = tuple[float, float, int, str]
"""Which table and row of a database, as shares; which column; and what is written there."""

VALUES = ("CAST(x'ff41' AS TEXT)", "CAST(x'c3' AS TEXT)")
"""Texts that are not UTF-8; junk in a number or a name looks like any other."""
shares = st.floats(0, 1, exclude_max=True)
foulings = st.lists(
    st.tuples(shares, shares, st.integers(0, 30), st.sampled_from(VALUES)), min_size=1, max_size=8
)


def foul(path: Path, fouling: Fouling) -> None:
    """Writes a text that only a damaged page could hold."""
    which, place, column, value = fouling
    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        con.execute("PRAGMA ignore_check_constraints = ON")
        tables = con.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        (table,) = tables[int(which * len(tables))]
        about = con.execute(f"PRAGMA table_info({table})").fetchall()
        keys = ", ".join(name for _, name, _, _, _, key in about if key) or "rowid"
        name = about[column % len(about)][1]
        (rows,) = con.execute(f"SELECT count(*) FROM {table}").fetchone()
        with suppress(sqlite3.IntegrityError):
            con.execute(
                f"UPDATE {table} SET {name} = {value} WHERE ({keys}) IN "
                f"(SELECT {keys} FROM {table} LIMIT 1 OFFSET {int(place * rows)})"
            )
