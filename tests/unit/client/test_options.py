"""What the commands are told, and where they ask."""

import pytest

import derhead.cli
from derhead.client.address import Address, parse_address
from derhead.client.eventstream import EventParser, StreamEvent
from derhead.client.options import parse_duration, parse_mw


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5400), ("0.5h", 1800), ("2d", 172_800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "15 m", "-1m", "1h30", "1w", "٣m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="write one such as"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["nan", "inf", "1,5", "one", ""])
def test_what_is_no_power_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="write MW"):
        parse_mw(text)


@pytest.mark.parametrize(
    ("url", "address", "authority"),
    [
        (
            "http://127.0.0.1:8080",
            Address("http://127.0.0.1:8080", "127.0.0.1", 8080, False, ""),
            "127.0.0.1:8080",
        ),
        ("http://h/", Address("http://h", "h", 80, False, ""), "h"),
        ("https://h/der/", Address("https://h/der", "h", 443, True, "/der"), "h"),
        ("http://[::1]:9", Address("http://[::1]:9", "::1", 9, False, ""), "[::1]:9"),
    ],
)
def test_addresses(url: str, address: Address, authority: str) -> None:
    assert parse_address(url) == address
    assert address.authority == authority


@pytest.mark.parametrize(
    "url", ["", "h:80", "ftp://h", "http://", "http://h:99999", "http://u:p@h", "http://h?a=1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write one such as"):
        parse_address(url)


def test_a_name_may_hold_anything() -> None:
    address = parse_address("http://h/der")
    target = address.target(("telemetry", "roof/süd ?"), (("limit", "1"), ("a b", "&")))
    assert target == "/der/telemetry/roof%2Fs%C3%BCd%20%3F?limit=1&a+b=%26"


def test_events_are_read_however_they_are_cut() -> None:
    stream = (
        b"retry: 2000\n\nid: 7\nevent: hello\ndata: {}\n\n: alive\nid: 8\nevent: alive\n"
        b"data: 1\n\ndata: a\ndata: b\n\nid: 9\n\nevent: cut"
    )
    events = [StreamEvent("hello", "{}"), StreamEvent("alive", "1"), StreamEvent("message", "a\nb")]
    for cut in range(len(stream)):
        parser = EventParser()
        assert parser.feed(stream[:cut]) + parser.feed(stream[cut:]) == events
        assert parser.last_id == "9"


@pytest.mark.parametrize(
    "arguments",
    [
        ["telemetry"],
        ["dispatch", "battery"],
        ["dispatch", "battery", "x"],
        ["dispatch", "battery", "1", "--for", "soon"],
        ["dispatch", "battery", "1", "--dry-run", "--watch"],
        ["status", "--headend", "nowhere"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        derhead.cli.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_wrong_url_of_the_environment_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DERHEAD_URL", "nowhere")
    with pytest.raises(SystemExit) as ended:
        derhead.cli.main(["status"])
    assert ended.value.code == 2
    assert "'nowhere' is no http or https URL" in capsys.readouterr().err
