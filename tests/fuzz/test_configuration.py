"""Any ``assets.yaml`` and any ``--config`` file is read, or refused in words, at a bounded cost."""

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

import deragent.config
import derhead.config
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.problems import ConfigError
from tests.fuzz.mutation import effort, mutated
from tests.support.fleets import SITE, fleet

MOST_PROBLEMS = 20_000
"""No file of this room is so long that honest problems reach this number."""

FLEET = yaml.safe_dump(
    {
        "sites": [{"id": SITE, "name": "mesa", "timezone": "America/Denver", "agent": "a-1"}],
        "assets": [
            {
                **asset,
                "limits": {"min_mw": -0.5, "max_mw": 0.0},
                "default_mw": 0,
                "failsafe": {"after_s": 60, "action": "default"},
                "tolerance_pct": 5,
            }
            for asset in fleet()["assets"]
        ],
    },
    sort_keys=False,
).encode()
HEADEND = b"""\
assets: assets.yaml
http: 127.0.0.1:8080
grpc: "[::1]:50051"
http_allowed_hosts: [a.example, b.example]
retention: {telemetry_days: 3}
telemetry_period_s: 4
max_sessions: 10
log_level: info
postgres_dsn: postgresql://derhead:x@db/derhead?sslmode=require
tls_cert: cert.pem
tls_key: key.pem
http_tls: true
tokens: tokens
"""
AGENT = b"""\
assets: assets.yaml
site: mesa
agent: {id: a-1}
headend: headend.example:50051
outbox: {rows: 1000, mb: 5, memory_rows: 100, backfill_rows_s: 500}
token_file: token
tls: true
tls_ca: ca.pem
metrics_port: 9100
events: false
"""
TOKENS = [
    *(b"\t", b"\n", b": ", b"- ", b"#", b"'", b'"', b"|", b"{", b"}", b"[", b"]", b"!!map ", b"%"),
    *(b"&a ", b"*a", b"<<: *a", b"? ", b"---\n", b"...\n", b"!x ", b"!!python/name:os ", b"~"),
    *(b".nan", b"-.inf", b"1e999", b"-0", b"0x10", b"1:30", b"9" * 30, b"1e-320", b"true", b"null"),
    *("é".encode(), "\u2028".encode(), "\ud800".encode("utf-8", "surrogatepass"), b"\xff", b"\0"),
    *(b"\xef\xbb\xbf", b"a" * 300, b"\xf4\x90\x80\x80", b"/", b"../../..", b"[::1", b"@", b"%zz"),
]


def load_any_fleet(path: Path) -> None:
    load_fleet(path)


def load_headend(path: Path) -> None:
    derhead.config.load(Namespace(config=str(path)), {}, at_us=0)


def load_agent(path: Path) -> None:
    deragent.config.load(Namespace(config=str(path)), {}, at_us=0)


def read_or_refuse(load: Callable[[Path], None], path: Path, data: bytes) -> None:
    """Either nothing is raised, or a ConfigError whose lines exist and say what to do."""
    path.write_bytes(data)
    refused: ConfigError | None = None
    try:
        load(path)
    except ConfigError as error:
        refused = error
    if refused is not None:
        assert 0 < len(refused.problems) <= MOST_PROBLEMS
        # YAML ends lines at more characters than an editor does.
        lines = max(len(data.decode(errors="replace").splitlines()), 1)
        for problem in refused.problems:
            if problem.file == str(path):
                assert problem.line is not None, problem
                assert 1 <= problem.line <= lines + 1, problem
            assert any(mark in problem.text for mark in (";", "?")), problem
            str(problem).encode()


values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([0, -1, 2**63, -(2**63), 10**17, 1e308, -1e-320, "", " ", "mesa", SITE]),
        st.floats(),
        st.text(max_size=12),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def restructured(draw: st.DrawFn, original: bytes) -> bytes:
    """The file with values of other types, missing keys, and keys in the wrong place."""
    tree = yaml.safe_load(original)
    for _ in range(draw(st.integers(1, 4))):
        node = tree
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and draw(st.integers(0, 3)):
                node = node[key]
                continue
            match draw(st.sampled_from(["value", "delete", "copy", "add"])):
                case "value":
                    node[key] = draw(values)
                case "delete":
                    del node[key]
                case "copy":
                    node[key] = tree[draw(st.sampled_from(list(tree)))] if tree else None
                case _ if isinstance(node, dict):
                    node[draw(st.text(max_size=8))] = draw(values)
                case _:
                    node.append(draw(values))
            break
        if not isinstance(tree, dict) or not tree:
            break
    # A copy may hold itself: yaml writes that with an anchor.
    return yaml.dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")


def files_like(original: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(mutated([original], TOKENS), restructured(original))


@effort(150)
@given(data=files_like(FLEET))
def test_any_assets_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    read_or_refuse(load_any_fleet, tmp_path / "assets.yaml", data)


@effort(120)
@given(data=files_like(HEADEND))
def test_any_headend_configuration_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "assets.yaml").write_bytes(FLEET)
    read_or_refuse(load_headend, tmp_path / "derhead.yaml", data)


@effort(120)
@given(data=files_like(AGENT))
def test_any_agent_configuration_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "assets.yaml").write_bytes(FLEET)
    read_or_refuse(load_agent, tmp_path / "deragent.yaml", data)


def steps_of(load: Callable[[Path], None], path: Path, data: bytes) -> int:
    """Calls of Python functions until the file is read or refused."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        read_or_refuse(load, path, data)
    finally:
        sys.setprofile(None)
    return calls


pieces = st.sampled_from(
    [
        *(b"  - {id: x}\n", b"  - {}\n", b"  - *a\n", b"  - &a {name: x, nmae: y}\n"),
        *(
            b"  - [1]\n",
            b"k: 1\n",
            b"? [a]\n: 1\n",
            b"sites: [{}]\n",
            b"# c\n",
            b"  - {limits: *a}\n",
            b"\t",
            b"'",
        ),
    ]
)


@effort(15)
@given(head=st.sampled_from([b"", b"sites:\n", b"a: &a {b: 1, c: 2}\nassets:\n"]), piece=pieces)
def test_a_file_of_twice_the_length_costs_about_twice(
    tmp_path: Path, head: bytes, piece: bytes
) -> None:
    path = tmp_path / "assets.yaml"
    once, twice = (steps_of(load_any_fleet, path, head + piece * n) for n in (100, 200))
    assert twice <= 2.5 * once + 500
