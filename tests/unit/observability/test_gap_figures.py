"""Gap figures in ``/metrics``."""

from derhead.gaps.tracker import GapCount, GapStatistics
from derhead.observability.figures.live_figures import gap_metrics
from derproto.metrics.exposition import Metrics
from tests.support.watched_asset import Headend


def test_silent_assets_are_counted_by_cause() -> None:
    headend = Headend()
    headend.connect()
    headend.live(0, 8)
    headend.disconnect()
    metrics = Metrics()

    def statistics() -> GapStatistics:
        count = GapCount()
        for watch in headend.tracker.watches.values():
            count.take(watch)
        return count.statistics()

    metrics.add(lambda: gap_metrics(statistics()))

    def lines() -> list[str]:
        return [line for line in metrics.render()[0].decode().splitlines() if line[0] != "#"]

    assert 'derhead_gaps_lasting{cause="link"} 0.0' in lines()
    headend.wait(60)
    assert 'derhead_gaps_lasting{cause="link"} 1.0' in lines()
    headend.connect()
    headend.sample(60)
    assert 'derhead_gaps_lasting{cause="link"} 0.0' in lines()
    assert "derhead_gaps_unfilled 1.0" in lines()
