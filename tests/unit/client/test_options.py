"""The flags of the commands, and the headend's URL."""

import pytest

import derhead.cli
from derhead.client.options import parse_duration, parse_mw
from derhead.client.rest.headend_url import parse_headend_url


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5400), ("0.5h", 1800), ("2d", 172_800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "15 m", "-1m", "1h30", "1w", "٣m"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(Exception, match="write one such as"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["nan", "inf", "1,5", "one", ""])
def test_bad_powers_are_refused(text: str) -> None:
    with pytest.raises(Exception, match="write MW"):
        parse_mw(text)


@pytest.mark.parametrize(
    ("url", "assets"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/assets"),
        ("http://h/", "http://h/assets"),
        ("HTTPS://h", "https://h/assets"),
        ("https://h/der/", "https://h/der/assets"),
        ("http://[::1]:9", "http://[::1]:9/assets"),
    ],
)
def test_urls(url: str, assets: str) -> None:
    headend = parse_headend_url(url)
    assert headend.of("assets") == assets
    assert headend.tls is assets.startswith("https")


@pytest.mark.parametrize(
    "url", ["", "h:80", "ftp://h", "http://", "http://h:99999", "http://u:p@h", "http://h?a=1"]
)
def test_bad_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write one such as"):
        parse_headend_url(url)


def test_a_name_may_hold_anything() -> None:
    headend = parse_headend_url("http://h/der")
    url = headend.of("telemetry", "roof/süd ?%")
    assert url == "http://h/der/telemetry/roof%2Fs%C3%BCd%20%3F%25"


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
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        derhead.cli.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_bad_url_in_the_environment_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DERHEAD_URL", "nowhere")
    with pytest.raises(SystemExit) as ended:
        derhead.cli.main(["status"])
    assert ended.value.code == 2
    assert "'nowhere' is not an http or https URL" in capsys.readouterr().err
