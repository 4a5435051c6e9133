"""The first page of a damaged journal, which says where all its tables are, made anew."""

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from derhead.history.file.damage import PAGE_BYTES, has_wal, read_only

HEADER_BYTES = 100
"""Of the first page: SQLite's own header; the rest of the page says where tables are."""

_INTERIOR = 0x05
"""The kind of a page that names the pages below it."""


def heal(path: Path, template: Path, *, kept: Path) -> None:
    """Makes the first page anew if SQLite cannot read with the one that is there.

    A journal's tables begin on the same pages in every file, since nothing but migrations
    makes them. First only the header is replaced, then all of the page. ``template`` is a new
    journal; the page as it was goes to ``kept``.
    """
    if has_wal(path) and (not path.exists() or path.stat().st_size == 0):
        # SQLite deletes the WAL of an empty file, even of one that is only to be read.
        path.write_bytes(_tables_alone(template))
        sync(path)
    if _shows_tables(path):
        return
    with open(path, "r+b") as file:
        torn = file.read(PAGE_BYTES)
        if not kept.exists():
            kept.write_bytes(torn)
            sync(kept)
        page = _first_page(template, pages=max(path.stat().st_size // PAGE_BYTES, 1))
        for healed in (page[:HEADER_BYTES] + torn[HEADER_BYTES:], page):
            file.seek(0)
            file.write(healed.ljust(PAGE_BYTES, b"\0"))
            file.flush()
            os.fsync(file.fileno())
            if _shows_tables(path):
                return


def _first_page(template: Path, pages: int) -> bytes:
    """The template's, for a journal of so many pages."""
    with open(template, "rb") as sound:
        page = bytearray(sound.read(PAGE_BYTES))
    page[18:20] = b"\x02\x02"  # WAL, for reading and writing
    page[24:28] = page[92:96] = (1).to_bytes(4, "big")  # changes, and for which pages counts
    page[28:32] = pages.to_bytes(4, "big")
    page[32:40] = bytes(8)  # no free pages
    return bytes(page)


def _tables_alone(template: Path) -> bytes:
    """The template's pages that say where tables are; all others are blank, which no page of
    a table ever is: what the WAL lacks shows as damage, and not as a table without rows."""
    pages = template.read_bytes()
    first = _first_page(template, pages=len(pages) // PAGE_BYTES)
    blank = bytearray(len(pages))
    blank[:PAGE_BYTES] = first
    if first[HEADER_BYTES] == _INTERIOR:
        (cells,) = struct.unpack_from(">H", first, HEADER_BYTES + 3)
        places = struct.unpack_from(f">{cells}H", first, HEADER_BYTES + 12)
        for place in (HEADER_BYTES + 8, *places):
            (number,) = struct.unpack_from(">I", first, place)
            start = (number - 1) * PAGE_BYTES
            blank[start : start + PAGE_BYTES] = pages[start : start + PAGE_BYTES]
    return bytes(blank)


def _shows_tables(path: Path) -> bool:
    try:
        with closing(read_only(path)) as con:
            query = "SELECT count(*) FROM sqlite_schema WHERE name = 'telemetry'"
            return bool(con.execute(query).fetchone()[0])
    except sqlite3.Error:
        return False


def sync(path: Path) -> None:
    """Has the disk keep a file's bytes, or a folder's names."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
