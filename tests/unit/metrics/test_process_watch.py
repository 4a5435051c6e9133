"""The figures of the process and of its disk."""

from pathlib import Path

import trio
from trio.testing import MockClock

from derproto import __version__
from derproto.base.runtime import virtual_runtime
from derproto.metrics.exposition import Metrics
from derproto.metrics.process_watch import LOOK_S, ProcessWatch
from tests.support.epoch import T0


def shown(watch: ProcessWatch) -> str:
    metrics = Metrics()
    metrics.add(watch.metrics)
    return metrics.render()[0].decode()


async def test_versions_are_shown_at_once_and_the_rest_after_a_look(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    watch = ProcessWatch("deragent", tmp_path / "data", virtual_runtime(T0))
    assert f'version="{__version__}"' in shown(watch)
    assert "process_open_fds" not in shown(watch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await trio.sleep(LOOK_S / 2)
        assert "\nprocess_open_fds " in shown(watch)
        assert "deragent_disk" not in shown(watch)
        (tmp_path / "data").mkdir()
        await trio.sleep(LOOK_S)
        assert watch.disk is not None
        assert 0 <= watch.disk.free_bytes <= watch.disk.whole_bytes
        assert "\nderagent_disk_free_bytes " in shown(watch)
        nursery.cancel_scope.cancel()
