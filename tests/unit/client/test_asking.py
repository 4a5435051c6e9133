"""An order without its length asks for it at a terminal, and only there."""

import io
import math

import pytest

from derhead.client.asking import QUESTION, TRIES, Unanswered, ask_length


class Terminal(io.StringIO):
    """What a user types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "seconds"), [("15m\n", 900), (" ever \n", math.inf), ("soon\n1h30m\n", 5400)]
)
def test_the_answer_is_a_length(
    typed: str, seconds: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert ask_length() == seconds
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count(QUESTION) == typed.count("\n")


@pytest.mark.parametrize("typed", ["", "\n" * TRIES + "15m\n"])
def test_no_answer_is_no_order(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    with pytest.raises(Unanswered, match="nothing was ordered"):
        ask_length()


@pytest.mark.parametrize("stdin", [io.StringIO("15m\n"), None])
def test_without_a_terminal_it_says_what_to_write(
    stdin: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(Unanswered, match="--for 15m"):
        ask_length()
