"""Reading YAML with the line of every key, which problems name.

A file becomes a ``Section`` (a mapping). Its readers never raise for the file's content; they note
a problem and return None, so that one run finds all problems.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import yaml

from derproto.configuration.fleet import FilePlace
from derproto.configuration.kinds import Kind, describe, plain_value
from derproto.configuration.problems import Problem, nearest

T = TypeVar("T")

# libyaml is ten times as fast, which matters with a process for each asset.
_Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)
MAX_DEPTH = 50
"""Levels of nesting in a file. Far deeper nesting makes libyaml overrun its stack."""

MAX_REPEATED = 100_000
"""Values that aliases may repeat in a file. A few lines could otherwise stand for millions."""

TOO_DEEP = "nested too deeply; write it flat, as docs/configuration.md shows"
TOO_MANY = f"aliases repeat more than {MAX_REPEATED} values; write the values without aliases"

_MAP = "tag:yaml.org,2002:map"
_SEQ = "tag:yaml.org,2002:seq"
_YAML = "tag:yaml.org,2002:"


def _line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _raw(node: yaml.Node) -> object:
    """A scalar's value, a list of its items' values, or else the node itself."""
    if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
        return [_raw(item) if isinstance(item, yaml.ScalarNode) else item for item in node.value]
    if isinstance(node, yaml.ScalarNode) and node.tag.startswith(_YAML):
        return node.value if node.style else plain_value(node.value)
    return node


class _NotRead(Exception):
    """The reason why a file is no YAML, with its line."""

    def __init__(self, line: int | None, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Value:
    """The value of one key, with its line."""

    node: yaml.Node
    key: str
    line: int

    @property
    def raw(self) -> object:
        """The value, for a ``Kind``."""
        return _raw(self.node)

    @property
    def text(self) -> str | None:
        """A scalar as written, whatever its meaning; None for lists and mappings."""
        return str(self.node.value) if isinstance(self.node, yaml.ScalarNode) else None


class Section:
    """A mapping of the file. Keys with an empty or null value count as absent."""

    def __init__(
        self, file: str, key: str, node: yaml.MappingNode | None, problems: list[Problem]
    ) -> None:
        self.file = file
        self.key = key
        self.line = 1 if node is None else _line_of(node)
        self.problems = problems
        self._values: dict[str, Value] = {}
        for key_node, value_node in node.value if node is not None else ():
            self._add(key_node, value_node)

    def _add(self, key_node: yaml.Node, value_node: yaml.Node) -> None:
        line = _line_of(key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            wrong = f"{describe(key_node)} stands where a key must be; write a word and a colon"
            self._note(line, self.key, wrong)
            return
        name = str(key_node.value)
        value = Value(value_node, self._path(name), line)
        if name in self._values:
            first = self._values[name].line
            self._note(line, value.key, f"written twice, first on line {first}; keep one of them")
            return
        self._values[name] = value

    def _path(self, name: str) -> str:
        return f"{self.key}.{name}" if self.key else name

    def _note(self, line: int, key: str, text: str) -> None:
        self.problems.append(Problem(self.file, line, key, text))

    def complain(self, name: str, text: str) -> None:
        """Notes a problem at that key, or at the section's start if the key is absent."""
        value = self._values.get(name)
        self._note(self.line if value is None else value.line, self._path(name), text)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Notes every key that is not known."""
        for name, value in self._values.items():
            if name not in known:
                self._note(value.line, value.key, f"unknown key; {nearest(name, known)}")

    def value(self, name: str) -> Value | None:
        """The item at the key; None if it is absent."""
        value = self._values.get(name)
        return None if value is None or value.raw is None else value

    def optional(self, name: str, kind: Kind[T]) -> T | None:
        """The key's value; None if it is absent, or wrong and noted."""
        value = self.value(name)
        if value is None:
            return None
        try:
            return kind.read(value.raw)
        except ValueError as wrong:
            self._note(value.line, value.key, str(wrong))
            return None

    def read(self, name: str, kind: Kind[T], default: T) -> T | None:
        """The key's value; ``default`` if it is absent; None if it is wrong."""
        return default if self.value(name) is None else self.optional(name, kind)

    def require(self, name: str, kind: Kind[T], advice: str) -> T | None:
        """The key's value; if it is absent, notes that with the advice."""
        if self.value(name) is None:
            self.complain(name, f"missing; {advice}")
        return self.optional(name, kind)

    def section(self, name: str) -> "Section | None":
        """The mapping at the key; None if it is absent, or wrong and noted."""
        value = self.value(name)
        return None if value is None else self._mapping(value)

    def sections(self, name: str, advice: str) -> "Iterator[Section]":
        """The mappings in the list at the key; notes a list that is absent, empty or wrong."""
        value = self.value(name)
        if value is None:
            self.complain(name, f"missing; {advice}")
            return
        if not isinstance(value.node, yaml.SequenceNode) or value.node.tag != _SEQ:
            self.complain(name, f"{describe(value.raw)} is not a list; {advice}")
            return
        if not value.node.value:
            self.complain(name, f"empty; {advice}")
        for index, item in enumerate(value.node.value):
            found = self._mapping(Value(item, f"{value.key}[{index}]", _line_of(item)))
            if found is not None:
                yield found

    def place(self) -> FilePlace:
        """Where the section stands, for messages after the file was read."""
        lines = {name: value.line for name, value in self._values.items()}
        return FilePlace(self.file, self.key, self.line, MappingProxyType(lines))

    def plain(self) -> dict[str, object]:
        """All values as scalars, lists and dicts; what cannot be one of them is noted."""
        return self._plain_items(())

    def _plain_items(self, around: tuple[yaml.Node, ...]) -> dict[str, object]:
        return {
            name: self._plain(value, around)
            for name, value in self._values.items()
            if value.raw is not None
        }

    def _plain(self, value: Value, around: tuple[yaml.Node, ...]) -> object:
        node = value.node
        if any(node is outer for outer in around):
            self._note(value.line, value.key, "an alias of what it stands in; write the value")
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            inner = Section(self.file, value.key, node, self.problems)
            return inner._plain_items((*around, node))
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            items = [
                Value(item, f"{value.key}[{index}]", _line_of(item))
                for index, item in enumerate(node.value)
            ]
            return [self._plain(item, (*around, node)) for item in items]
        if isinstance(value.raw, yaml.Node):
            self._note(value.line, value.key, f"{describe(value.raw)}; write it without the tag")
            return None
        return value.raw

    def _mapping(self, value: Value) -> "Section | None":
        if isinstance(value.node, yaml.MappingNode) and value.node.tag == _MAP:
            return Section(self.file, value.key, value.node, self.problems)
        text = f"{describe(value.raw)} is not a mapping; write keys with values"
        self._note(value.line, value.key, text)
        return None


def _check_shape(text: str) -> None:
    """Raises: _NotRead if the text nests too deeply, or stands for far more than it shows."""
    open_nodes: list[tuple[str | None, int]] = []
    values = repeated = 0
    values_of: dict[str | None, int] = {}
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, values))
            if len(open_nodes) > MAX_DEPTH:
                raise _NotRead(1, TOO_DEEP)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            values_of[anchor] = values - before + 1
        if isinstance(event, yaml.AliasEvent):
            repeated += values_of.get(event.anchor, 1)
            values += values_of.get(event.anchor, 1)
            if repeated > MAX_REPEATED:
                mark = event.start_mark
                raise _NotRead(None if mark is None else mark.line + 1, TOO_MANY)
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            values += 1


def _syntax_problem(wrong: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    mark, began = wrong.problem_mark, wrong.context_mark
    # An open bracket is noticed only after the last line, which shows nothing.
    last = max(len(text.splitlines()), 1)
    line = min(mark.line + 1, last) if mark is not None else 1
    context = wrong.context or ""
    if context and began is not None and began.line + 1 != line:
        context += f" that begins on line {began.line + 1}"
    what = ": ".join(part for part in (context, wrong.problem) if part)
    return line, f"not YAML: {what}; correct what stands here"


def _compose(path: Path) -> yaml.Node | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _NotRead(None, "there is no such file; correct its path or create it") from None
    except OSError as wrong:
        reason = f"cannot be read: {wrong.strerror}; correct its path or its permissions"
        raise _NotRead(None, reason) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        reason = f"byte 0x{content[wrong.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _NotRead(line, reason) from None
    try:
        _check_shape(text)
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as wrong:
        # libyaml may read far ahead of the counted events, and has its own bound.
        if "nesting depth" in (wrong.problem or ""):
            raise _NotRead(1, TOO_DEEP) from None
        raise _NotRead(*_syntax_problem(wrong, text)) from None
    except yaml.reader.ReaderError as wrong:
        line = text.count("\n", 0, text.find(chr(wrong.character))) + 1
        reason = f"character U+{wrong.character:04X} cannot stand in YAML; remove it"
        raise _NotRead(line, reason) from None


def load_yaml(path: Path, problems: list[Problem]) -> Section | None:
    """The file's mapping; None, with the problem noted, if it is none.

    An empty file is an empty mapping.
    """
    file = str(path)
    try:
        node = _compose(path)
    except _NotRead as refused:
        problems.append(Problem(file, refused.line, "", str(refused)))
        return None
    if node is None or (isinstance(node, yaml.ScalarNode) and _raw(node) is None):
        return Section(file, "", None, problems)
    if not isinstance(node, yaml.MappingNode) or node.tag != _MAP:
        text = f"{describe(_raw(node))} is not a mapping; write keys with values"
        problems.append(Problem(file, _line_of(node), "", text))
        return None
    return Section(file, "", node, problems)
