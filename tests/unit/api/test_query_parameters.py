"""Query parameters, and the errors of wrong ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.audit import AuditAction
from derhead.dispatch import State
from derhead.history import TimeRange
from derhead.shapes import BadQuery, Query, parse_query
from derproto.base.timefmt import parse_us

ALL = ("from", "to", "limit", "cursor", "step", "state", "asset_id", "action", "caller")
NOON = parse_us("2026-01-31T12:00:00Z")


@pytest.mark.parametrize(
    ("name", "text", "query"),
    [
        ("from", "2026-01-31T12:00:00Z", Query(TimeRange(NOON))),
        ("to", "2026-01-31T13:00:00.5+01:00", Query(TimeRange(to_us=NOON + 500_000))),
        ("limit", "1", Query(limit=1)),
        ("limit", "1000000", Query(limit=1_000_000)),
        ("cursor", "abc", Query(cursor="abc")),
        ("cursor", "", Query()),
        ("step", "60s", Query(step_us=60_000_000)),
        ("step", "1m", Query(step_us=60_000_000)),
        ("step", "15m", Query(step_us=900_000_000)),
        ("step", "1h", Query(step_us=3_600_000_000)),
        ("step", "31d", Query(step_us=2_678_400_000_000)),
        ("state", "pending", Query(states=(State.PENDING,))),
        ("state", "pending,sent,pending", Query(states=(State.PENDING, State.SENT))),
        ("asset_id", "battery-1", Query(asset="battery-1")),
        ("action", "order", Query(actions=(AuditAction.ORDER,))),
        ("caller", "anna b", Query(caller="anna b")),
    ],
)
def test_parameters(name: str, text: str, query: Query) -> None:
    assert parse_query({name: [text]}, ALL) == query


def test_states_may_be_given_several_times() -> None:
    asked = parse_query({"state": ["sent,failed", "pending"]}, ALL)
    assert asked == Query(states=(State.SENT, State.FAILED, State.PENDING))


def test_without_parameters() -> None:
    assert parse_query({}, ALL) == Query()


@pytest.mark.parametrize(
    ("name", "texts", "says"),
    [
        ("from", ["2026-01-31T12:00:00"], "no time zone; write 2026-01-31T12:00:00Z"),
        ("from", ["2026-01-31"], "is a date; write a time such as 2026-01-31T00:00:00Z"),
        ("to", ["2026-01-31T12:00:00 01:00"], "in a URL the + of an offset is written %2B"),
        ("to", ["yesterday"], "is not an RFC 3339 time"),
        ("limit", ["0"], "'0' is out of range; write a whole number from 1 to 1000000"),
        ("limit", ["1000001"], "from 1 to 1000000"),
        ("limit", ["-1"], "from 1 to 1000000"),
        ("limit", ["ten"], "'ten' is not a whole number; write a whole number from 1 to 1000000"),
        ("limit", ["9" * 5000], "from 1 to 1000000"),
        ("limit", ["\u0661"], "is not a whole number; write a whole number from 1 to 1000000"),
        ("limit", ["1", "2"], "given 2 times"),
        ("step", ["15"], "write a number of s, m, h or d"),
        ("step", ["0s"], "not a step"),
        ("step", ["32d"], "up to 31d"),
        ("step", ["PT1M"], "not a step"),
        ("state", ["pendin"], "did you mean pending?"),
        ("state", ["sent,pendin"], "there is no state 'pendin'; did you mean pending?"),
        ("state", ["sent,"], "there is no state ''"),
        ("state", ["," * 16_000], "there is no state ''"),
        ("form", ["x"], "did you mean from?"),
    ],
)
def test_every_error_is_named(name: str, texts: list[str], says: str) -> None:
    refused = parse_query({name: texts}, ALL)
    assert isinstance(refused, BadQuery)
    ((at, detail),) = refused.problems
    assert at == name
    assert says in detail


def test_an_endpoint_without_parameters_refuses_any() -> None:
    refused = parse_query({"limit": ["1"]}, ())
    assert refused == BadQuery((("limit", "unknown parameter; this path has none; leave it out"),))


def test_all_problems_at_once() -> None:
    refused = parse_query({"limit": ["0"], "from": ["x"], "stp": ["1m"]}, ALL)
    assert isinstance(refused, BadQuery)
    assert [name for name, _ in refused.problems] == ["limit", "from", "stp"]


@pytest.mark.parametrize("to", ["2026-01-31T12:00:00Z", "2026-01-31T11:00:00Z"])
def test_an_empty_range_is_refused(to: str) -> None:
    refused = parse_query({"from": ["2026-01-31T12:00:00Z"], "to": [to]}, ALL)
    assert isinstance(refused, BadQuery)
    assert [name for name, _ in refused.problems] == ["from"]


@given(st.dictionaries(st.sampled_from(ALL) | st.text(), st.lists(st.text(), max_size=2)))
def test_no_text_makes_the_parser_raise(given: dict[str, list[str]]) -> None:
    parsed = parse_query(given, ALL)
    assert isinstance(parsed, Query) or parsed.problems
