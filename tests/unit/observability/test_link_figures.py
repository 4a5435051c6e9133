"""Figures of both ports."""

from derhead.httpserver import HttpStatistics
from derhead.httpserver.request_counts import RequestCounts
from derhead.observability import http_metrics, link_metrics
from derproto.metrics.exposition import Metrics
from derproto.triogrpc import ERROR_KINDS, ServerStatistics


def test_the_link_shows_every_kind_of_error_from_the_start() -> None:
    link = ServerStatistics(
        connections_open=2,
        connections_total=9,
        connections_refused=1,
        streams_open=2,
        streams_total=8,
        streams_refused=0,
        messages_received=70,
        messages_sent=60,
        bytes_received=7_000,
        bytes_sent=6_000,
        unfinished_bytes=0,
        errors={"flood": 3},
    )
    metrics = Metrics()
    metrics.add(lambda: link_metrics(link))
    lines = metrics.render()[0].decode().splitlines()
    kinds = {line for line in lines if line.startswith("derhead_link_errors_total{")}
    assert len(kinds) == len(ERROR_KINDS)
    assert 'derhead_link_errors_total{kind="flood"} 3.0' in kinds
    assert 'derhead_link_errors_total{kind="tls"} 0.0' in kinds
    assert "derhead_link_connections 2.0" in lines
    assert "derhead_link_received_bytes_total 7000.0" in lines


def test_http_shows_why_connections_were_ended() -> None:
    requests = RequestCounts()
    requests.take_fast(0.00002)
    requests.take(404, 0.004)
    requests.take(200, None)
    http = HttpStatistics(
        open=3,
        accepted=20,
        refused=1,
        failed=2,
        handshakes_failed=4,
        slow_heads=5,
        slow_bodies=9,
        floods=6,
        send_timeouts=7,
        given_up=8,
        held_bytes=900,
        requests_refused=10,
        answers=requests.by_status(),
        answer_s=requests.durations(),
    )
    metrics = Metrics()
    metrics.add(lambda: http_metrics(http))
    lines = metrics.render()[0].decode().splitlines()
    ended = [line for line in lines if line.startswith("derhead_http_connections_ended_total{")]
    assert [line.partition("reason=")[2] for line in ended] == [
        '"full"} 1.0',
        '"handshake"} 4.0',
        '"malformed"} 2.0',
        '"slow_head"} 5.0',
        '"slow_body"} 9.0',
        '"flood"} 6.0',
        '"send_timeout"} 7.0',
        '"memory"} 8.0',
    ]
    assert "derhead_http_held_bytes 900.0" in lines
    assert 'derhead_http_answers_total{status="2xx"} 2.0' in lines
    assert 'derhead_http_answers_total{status="4xx"} 1.0' in lines
    assert 'derhead_http_answer_seconds_count{lane="fast"} 1.0' in lines
    assert 'derhead_http_answer_seconds_bucket{lane="app",le="0.0025"} 0.0' in lines
    assert 'derhead_http_answer_seconds_bucket{lane="app",le="0.005"} 1.0' in lines
    assert 'derhead_http_answer_seconds_count{lane="app"} 1.0' in lines
