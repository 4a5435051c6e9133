"""A history of any length, made on demand."""

from dataclasses import dataclass, replace

from derhead.errors import JournalError
from derhead.history import BadCursor, Page, PageRequest
from derhead.telemetry import Bucket, Sample
from tests.support.api.fake_headend import NOW, SAMPLE, FakeHistory
from tests.support.epoch import S


@dataclass
class LongHistory(FakeHistory):
    """``count`` samples, one a second, newest first; a bucket for each."""

    count: int = 0
    fails_after: int | None = None
    """Samples after which the journal cannot be read any more."""

    def _few(self, page: PageRequest) -> tuple[range, str | None]:
        start = 0 if page.cursor is None else _number(page.cursor)
        if self.fails_after is not None and start >= self.fails_after:
            raise JournalError("the journal cannot be read")
        end = min(start + page.limit, self.count)
        return range(start, end), str(end) if end < self.count else None

    async def telemetry_history(self, asset_id: str, page: PageRequest) -> Page[Sample]:
        self.asked.append(("telemetry_history", {"page": page}))
        few, more = self._few(page)
        return Page(tuple(replace(SAMPLE, seq=n + 1, ts_us=NOW - n * S) for n in few), more)

    async def telemetry_buckets(
        self, asset_id: str, page: PageRequest, *, step_us: int
    ) -> Page[Bucket]:
        few, more = self._few(page)
        return Page(tuple(Bucket(NOW - n * step_us, 1, 1.0, 1.0, 1.0, 1.0) for n in few), more)


def _number(cursor: str) -> int:
    if not cursor.isdigit():
        raise BadCursor("the cursor is not one that this server gave out")
    return int(cursor)
