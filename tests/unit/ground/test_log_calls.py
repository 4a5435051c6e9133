"""Every log line is an event: a constant phrase, and keys for what varies."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.repository import modules

METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}

OF_THE_LINE = {"ts", "level", "event", "logger"}
"""Keys that every line has already."""


def log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logging"), attr=method)):
                if method in METHODS:
                    yield node


def faults(tree: ast.AST) -> Iterator[str]:
    """What is wrong with the log calls of a module, each with its line."""
    for call in log_calls(tree):
        assert isinstance(call.func, ast.Attribute)
        level = call.args[: call.func.attr == "log"]
        phrase, *values = call.args[len(level) :]
        match phrase:
            case ast.JoinedStr():
                yield f"{call.lineno}: an f-string; write a constant phrase and keys"
            case ast.BinOp():
                yield f"{call.lineno}: a text with an operator; write a constant phrase and keys"
            case ast.Call(func=ast.Attribute(attr="format" | "join")):
                yield f"{call.lineno}: a text with values in it; write a constant phrase and keys"
            case ast.Constant(value=str(text)) if "%" in text:
                yield f"{call.lineno}: a phrase with %; write a key"
            case _:
                pass
        if values:
            yield f"{call.lineno}: arguments without keys; write key=value"
        for key in {each.arg for each in call.keywords} & OF_THE_LINE:
            yield f"{call.lineno}: the key {key}, which every line has; name it otherwise"


def test_log_calls_have_a_constant_phrase_and_keys() -> None:
    found = [f"{name}:{fault}" for name, tree in modules().items() for fault in faults(tree)]
    assert found == []


def test_every_log_takes_keys() -> None:
    plain = [
        f"{name}:{node.lineno}: write event_log(__name__) in place of logging.getLogger"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and [ast.unparse(target) for target in node.targets] == ["log"]
        and ast.unparse(node.value).startswith("logging.getLogger")
    ]
    assert plain == []


@pytest.mark.parametrize(
    "call",
    [
        'log.info(f"agent {name} connected")',
        'log.info("agent %s connected", name)',
        'log.info("agent %s connected" % name)',
        'log.info("agent {} connected".format(name))',
        'log.log(level, "agent connected", name)',
        'log.warning("agent connected " + name)',
        'log.info("agent connected", level=3)',
    ],
)
def test_a_text_with_values_in_it_is_found(call: str) -> None:
    found = list(faults(ast.parse(f"\n{call}")))
    assert found
    assert all(fault.startswith("2: ") for fault in found)
