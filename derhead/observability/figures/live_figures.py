"""Figures of what is connected now: sessions, gaps, and the readers of events. Pure."""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric

from derhead.access import AccessRefusal
from derhead.events import EventStatistics
from derhead.gaps import GapStatistics
from derhead.sessions import SessionStatistics
from derproto.metrics.families import counter, counter_by, gauge, gauge_by


def session_metrics(sessions: SessionStatistics) -> Iterator[Metric]:
    """Connected agents, refused streams and rows, and messages beyond what one agent may send."""
    name = "derhead_sessions_"
    yield gauge(name + "open", "Open sessions.", sessions.open)
    yield gauge(name + "waiting", "Agents that wait for their turn to register.", sessions.waiting)
    yield counter(name + "opened", "Sessions opened since the start.", sessions.opened)
    yield counter_by(
        name + "refused",
        "Streams that ended before Welcome, by reason.",
        "reason",
        sessions.refused,
    )
    yield counter_by(name + "ended", "Sessions that ended, by reason.", "reason", sessions.ended)
    yield counter_by(
        name + "excess",
        "Messages beyond what one agent may send, by kind.",
        "kind",
        sessions.excess,
    )
    yield counter_by(
        name + "refused_rows",
        "Rows of telemetry that were refused, by reason.",
        "reason",
        sessions.refused_rows,
    )


def gap_metrics(gaps: GapStatistics) -> Iterator[Metric]:
    """Silent assets, and holes that samples may still fill."""
    name = "derhead_gaps_"
    yield gauge_by(name + "lasting", "Assets that are silent now, by cause.", "cause", gaps.lasting)
    yield gauge(name + "unfilled", "Holes in telemetry that later samples may fill.", gaps.unfilled)


def event_metrics(events: EventStatistics) -> Iterator[Metric]:
    """The readers now, and the frames made for them."""
    yield gauge("derhead_event_readers", "Clients that follow /events now.", events.readers)
    yield counter(
        "derhead_event_readers_refused",
        "Clients that were refused /events: too many follow it.",
        events.refused,
    )
    yield counter(
        "derhead_event_telemetry_frames",
        "Frames of telemetry made; all clients with the same filter got the same frame.",
        events.telemetry_frames,
    )


def access_metrics(refused: Mapping[AccessRefusal, int]) -> Iterator[Metric]:
    """Requests that were refused because of who sent them."""
    yield counter_by(
        "derhead_access_refused",
        "Requests without good credentials, or without the right, by reason.",
        "reason",
        {reason.value: refused[reason] for reason in AccessRefusal},
    )
