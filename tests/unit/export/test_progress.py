"""How far an export has come, in words."""

import pytest

from derhead.export.progress import Position, progress_line, share_of


@pytest.mark.parametrize(
    ("position", "name", "line"),
    [
        (Position(0, 1, 0, 0, 100, None), "roof", "[........................]   0%  0 rows  roof"),
        (Position(0, 1, 500, 0, 100, 75), "", "[######..................]  25%  500 rows"),
        (
            Position(1, 2, 12_345, 0, 100, 50),
            "roof",
            "[##################......]  75%  12,345 rows  roof (2 of 2)",
        ),
        (Position(2, 2, 9, 0, 100, None), "", "[########################] 100%  9 rows  (2 of 2)"),
        (
            Position(0, 0, 0, None, 100, None),
            "",
            "[########################] 100%  0 rows  (0 of 0)",
        ),
        # Without a beginning nobody knows how much there is.
        (Position(0, 1, 1000, None, 100, 50), "roof", "1,000 rows  roof"),
        (Position(1, 3, 1000, None, 100, 50), "roof", "1,000 rows  roof (2 of 3)"),
    ],
)
def test_the_line(position: Position, name: str, line: str) -> None:
    assert progress_line(position, name).split() == line.split()


@pytest.mark.parametrize("at_us", [-50, 0, 99, 100, 150])
def test_the_share_stays_within(at_us: int) -> None:
    share = share_of(Position(0, 2, 1, 0, 100, at_us))
    assert share is not None
    assert 0 <= share <= 0.5
