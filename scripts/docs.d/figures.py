"""The tables of figures, from a headend and an agent that run for a minute of virtual time."""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from prometheus_client.metrics_core import Metric
from trio.testing import MockClock

from deragent.agent_figures import (
    agent_certificate_figures,
    device_figures,
    link_figures,
    outbox_figures,
)
from derhead.history import ClaimStatus, FeedStatistics, RetentionStatistics
from derhead.history.retention.policy import Sizes
from derhead.observability.figures.certificate_figures import certificate_metrics
from derhead.observability.figures.feed_figures import claim_metrics, feed_metrics
from derhead.observability.figures.fleet_figures import fleet_metrics
from derhead.observability.figures.fleet_sums import FleetStatistics, FleetSums
from derhead.observability.figures.journal_figures import retention_metrics
from derproto.base.runtime import real_runtime
from derproto.metrics.histogram import Histogram
from derproto.metrics.process_watch import ProcessWatch
from tests.support.fleets import BATTERY, fleet, read_fleet
from tests.support.virtual import virtual_world


def draw() -> str:
    """A table of the headend's figures."""
    return _table((*_of_options(), *_of_process("derhead"), *_of_world()[0]))


def draw_agent() -> str:
    """A table of the agent's figures."""
    return _table((*_of_process("deragent"), *_of_world()[1]))


def _table(families: Iterable[Metric]) -> str:
    found = {each.name: each for each in families}
    lines = ["| figure | labels | meaning |", "|---|---|---|"]
    lines += [_row(found[name]) for name in sorted(found)]
    return "\n".join(lines)


@cache
def _of_world() -> tuple[list[Metric], list[Metric]]:
    """The figures of a headend and of its agent."""

    async def collect() -> tuple[list[Metric], list[Metric]]:
        with TemporaryDirectory() as folder:
            async with virtual_world(Path(folder), read_fleet(Path(folder), fleet())) as here:
                agent = await here.start_agent(BATTERY)
                await trio.sleep(60)
                board, metrics = agent.board, here.headend.metrics
                certificates = {"tls_cert": 0.0, "tls_ca": 0.0}
                return list(metrics.families()), [
                    *link_figures(board, 0),
                    *outbox_figures(board, 0),
                    *device_figures(board),
                    *agent_certificate_figures(certificates),
                ]

    return trio.run(collect, clock=MockClock(autojump_threshold=0))


def _of_options() -> Iterator[Metric]:
    """The figures that only some headends have, or not from the start."""
    yield from certificate_metrics({"tls_cert": 0, "tls_client_ca": 0})
    yield from fleet_metrics(FleetStatistics(FleetSums(), Histogram(()).counts(), 0, None, 0))
    yield from retention_metrics(RetentionStatistics(Sizes(0, 0, 0, 0), 0, 0, {}, 0, 0))
    yield from claim_metrics(ClaimStatus(held=True, term=1, said=""))
    yield from feed_metrics(
        FeedStatistics(
            lag_rows=0,
            lag_s=0,
            fed_rows=0,
            fed_batches=0,
            failed_batches=0,
            held_back=0,
            catching_up=False,
            walking=False,
            trouble=None,
            failing_since_us=None,
        )
    )


def _of_process(program: str) -> Iterable[Metric]:
    watch = ProcessWatch(program, Path("/"), real_runtime())
    watch.look()
    return watch.metrics()


def _row(family: Metric) -> str:
    name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
    return f"| `{name}` | {_labels(family)} | {family.documentation} |"


def _labels(family: Metric) -> str:
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            values.setdefault(label, {})[value] = None
    values.pop("le", None)
    if family.type == "info":
        return ", ".join(f"`{label}`" for label in sorted(values))
    return "; ".join(f"`{label}`: {', '.join(each)}" for label, each in sorted(values.items()))
