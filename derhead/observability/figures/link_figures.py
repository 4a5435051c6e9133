"""Figures of both ports: the link to agents, and HTTP. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.httpserver import HttpStatistics
from derproto.metrics.families import counter, counter_by, gauge, histogram_by
from derproto.triogrpc import ERROR_KINDS, ServerStatistics


def link_metrics(link: ServerStatistics) -> Iterator[Metric]:
    """The link's connections, streams, messages and bytes, and its errors by kind."""
    name = "derhead_link_"
    yield gauge(name + "connections", "Connections of agents now.", link.connections_open)
    yield counter(
        name + "connections_accepted",
        "Connections accepted, with those whose handshake failed.",
        link.connections_total,
    )
    yield counter(
        name + "connections_refused",
        "Connections closed at once: no place was left.",
        link.connections_refused,
    )
    yield gauge(name + "streams", "Streams of agents now.", link.streams_open)
    yield counter(name + "streams_opened", "Streams opened.", link.streams_total)
    yield counter(
        name + "streams_refused",
        "Streams refused: too many on their connection, or the headend stops.",
        link.streams_refused,
    )
    yield counter(name + "received_messages", "Messages from agents.", link.messages_received)
    yield counter(name + "sent_messages", "Messages to agents.", link.messages_sent)
    yield counter(name + "received_bytes", "Bytes from agents, after TLS.", link.bytes_received)
    yield counter(name + "sent_bytes", "Bytes to agents, before TLS.", link.bytes_sent)
    yield counter_by(
        name + "errors",
        "Calls and connections that failed, by kind.",
        "kind",
        {kind: link.errors.get(kind, 0) for kind in ERROR_KINDS},
    )


def stranger_metrics(refused: int) -> Iterator[Metric]:
    """Refused requests of strangers' web pages."""
    yield counter(
        "derhead_http_strangers_refused",
        "Requests that were refused with 403: for a host that is not the headend's own, or of a web"
        " page of another origin.",
        refused,
    )


def http_metrics(http: HttpStatistics) -> Iterator[Metric]:
    """The connections of HTTP clients, and those that the server ended, by reason."""
    name = "derhead_http_"
    yield gauge(name + "connections", "Connections of HTTP clients now.", http.open)
    yield counter(
        name + "connections_accepted",
        "Connections accepted, with those whose handshake failed.",
        http.accepted,
    )
    yield counter_by(
        name + "connections_ended",
        "Connections that the server refused or ended because of their client, by reason.",
        "reason",
        {
            "full": http.refused,
            "handshake": http.handshakes_failed,
            "malformed": http.failed,
            "slow_head": http.slow_heads,
            "slow_body": http.slow_bodies,
            "flood": http.floods,
            "send_timeout": http.send_timeouts,
            "memory": http.given_up,
        },
    )
    yield counter_by(
        name + "answers", "Answers, by the class of their status.", "status", http.answers
    )
    yield counter(
        name + "requests_refused",
        "Requests that broke HTTP, which the server refused itself.",
        http.requests_refused,
    )
    yield histogram_by(
        name + "answer_seconds",
        "From a request's header to the end of its answer; plain requests for the newest "
        "telemetry take the fast lane. Event streams do not count.",
        "lane",
        http.answer_s,
    )
    yield gauge(
        name + "held_bytes", "Bytes of request bodies and answers in memory.", http.held_bytes
    )
