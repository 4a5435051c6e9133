"""YAML that cannot be read, and what unquoted text means."""

import os
import sys
from pathlib import Path

import pytest

from derproto.configuration.kinds import Texts, plain_value
from derproto.configuration.problems import ConfigError, Problem, nearest
from derproto.configuration.yamlfile import load_yaml


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [1,\nb: 2\n", "f:2: not YAML: while parsing a flow sequence that begins on line 1: "
         "did not find expected ',' or ']'; correct what stands here"),
        (b"x: 1\ny: 1: 2\n", "f:2: not YAML: mapping values are not allowed in this context; "
         "correct what stands here"),
        (b"x: 1\n\ty: 2\n", "f:2: not YAML: while scanning a plain scalar that begins on line 1: "
         "found a tab character that violates indentation; correct what stands here"),
        (b"x: *nobody\n", "f:1: not YAML: found undefined alias; correct what stands here"),
        (b"x: 1\n---\ny: 2\n", "f:2: not YAML: expected a single document in the stream that "
         "begins on line 1: but found another document; correct what stands here"),
        (b"x: 1\ny: \xff\n", "f:2: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"x: 1\ny: \x07\n", "f:2: character U+0007 cannot stand in YAML; remove it"),
        (b"a: " + b"[" * 100_000, "f:1: nested too deeply; write it flat, "
         "as docs/configuration.md shows"),
        (b"- " * 100_000, "f:1: nested too deeply; write it flat, "
         "as docs/configuration.md shows"),
        (b"a: &a {b: 1, c: 2}\nd: [" + b"*a, " * 20_000 + b"*a]\ne:\n- *a\n",
         "f:2: aliases repeat more than 100000 values; write the values without aliases"),
        (b"a0: &a0 [1, 2]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1)
         for n in range(1, 400)), "f:15: aliases repeat "
         "more than 100000 values; write the values without aliases"),
        (b"[1, 2]\n", "f:1: a list is not a mapping; write keys with values"),
        (b"# sites\nhello\n", "f:2: the text 'hello' is not a mapping; write keys with values"),
    ],
)  # fmt: skip
def test_a_syntax_error_is_a_problem_on_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f").write_bytes(content)
    problems: list[Problem] = []
    assert load_yaml(Path("f"), problems) is None
    assert [str(p) for p in problems] == [problem]


def test_a_file_that_is_not_there_or_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    problems: list[Problem] = []
    assert load_yaml(Path("nowhere.yaml"), problems) is None
    assert load_yaml(Path("folder"), problems) is None
    assert [str(p) for p in problems] == [
        "nowhere.yaml: there is no such file; correct its path or create it",
        "folder: cannot be read: Is a directory; correct its path or its permissions",
    ]


@pytest.mark.parametrize("content", ["", "# only this\n", "---\n", "~\n", "{}\n"])
def test_an_empty_file_is_an_empty_mapping(tmp_path: Path, content: str) -> None:
    path = tmp_path / "f"
    path.write_text(content, encoding="utf-8")
    problems: list[Problem] = []
    section = load_yaml(path, problems)
    assert section is not None
    assert section.value("anything") is None
    assert problems == []


def test_keys_that_are_not_text_or_doubled_are_problems(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("a: 1\n? [b]\n: 2\n<<: {c: 1}\na: 3\n", encoding="utf-8")
    problems: list[Problem] = []
    section = load_yaml(path, problems)
    assert section is not None
    section.refuse_unknown(("a",))
    assert [(p.line, p.key, p.text) for p in problems] == [
        (2, "", "a list stands where a key must be; write a word and a colon"),
        (5, "a", "written twice, first on line 1; keep one of them"),
        (4, "<<", "unknown key; there are: a"),
    ]
    first = section.value("a")
    assert first is not None
    assert first.raw == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("Null", None), ("True", True), ("false", False),
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("1:30", "1:30"), ("010", 10), ("+3", 3),
        ("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-2.5E-1", -0.25), ("1_000", "1_000"),
        ("0x10", "0x10"), ("2026-01-31", "2026-01-31"), ("-.inf", float("-inf")), ("e3", "e3"),
    ],
)  # fmt: skip
def test_unquoted_text_means_what_it_looks_like(text: str, value: object) -> None:
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


def test_the_problems_of_a_file_stand_in_its_order() -> None:
    error = ConfigError(
        [
            Problem("b", 2, "x", "second"),
            Problem("b", 1, "y", "first"),
            Problem(None, None, "--http", "wrong"),
            Problem("b", None, "", "unreadable"),
        ]
    )
    assert str(error).splitlines() == [
        "--http: wrong",
        "b: unreadable",
        "b:1: y: first",
        "b:2: x: second",
    ]


def test_the_nearest_word_is_named_or_all_if_they_are_few() -> None:
    assert nearest("rated_mv", ("rated_mw", "name")) == "did you mean rated_mw?"
    assert nearest("NORTH", ("North", "South")) == "did you mean North?"
    assert nearest("zzz", ("North", "South")) == "there are: North, South"
    assert nearest("zzz", [f"word{i}" for i in range(40)]) == "see docs/configuration.md"
    assert nearest("zzz", ()) == "see docs/configuration.md"


def test_texts_are_one_or_several_and_never_none() -> None:
    texts = Texts()
    assert texts.read("a") == ("a",)
    assert texts.read(["a", "b, c"]) == ("a", "b, c")
    assert texts.parse("a, b,") == ("a", "b")
    for wrong in ([], [1], None, [["a"]]):
        with pytest.raises(ValueError, match=r"empty|is not text"):
            texts.read(wrong)
    with pytest.raises(ValueError, match="empty"):
        texts.parse(" , ")


def test_the_loader_in_use_is_the_fast_one() -> None:
    # Messages above are libyaml's; a PyYAML without it would change them, and be slow.
    import yaml

    assert yaml.__with_libyaml__, (sys.version, os.name)
