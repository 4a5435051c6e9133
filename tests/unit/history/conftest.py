"""A journal's files, and a store on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from derhead.history.file.schema import JournalFiles
from derhead.history.writing.record_store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


@pytest.fixture
def files(path: Path) -> Iterator[JournalFiles]:
    opened = JournalFiles(path, "OFF")
    yield opened
    opened.close()


@pytest.fixture
def store(files: JournalFiles) -> Store:
    return Store(files.writer)
