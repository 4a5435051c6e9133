"""Subject ``rest``: the two busiest endpoints of the real headend, with 1,000 assets.

Against FastAPI on uvicorn with the same answers from a dict. ``wrk`` asks, on 32 connections.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asking import get_items, get_text
from contest import Budget, Contestant, Sheet, compete
from errors import Failed, Unavailable
from fleets import asset_id, write_agents, write_assets
from generator import connected
from measures import OURS, Findings, Measure
from processes import running
from servers import Server, Servers
from workshop import HERE, Workshop, find_program

ASSETS = 1000
CONNECTIONS = 32
WARMUP_S = 1
ANSWER_S = 10
"""How long an answer may take."""

ONE = Measure("rest_requests_per_s", "GET /telemetry/{id}, each of 1,000 in turn (requests/s)")
ALL = Measure("rest_all_requests_per_s", "GET /telemetry of 1,000 assets (requests/s)")
ONE_TLS = Measure("rest_tls_requests_per_s", "the same of one over TLS (requests/s)")
ALL_TLS = Measure("rest_all_tls_requests_per_s", "the same of all over TLS (requests/s)")
ONE_TOKEN = Measure("rest_token_requests_per_s", "the same of one with a token (requests/s)")
ALL_TOKEN = Measure("rest_all_token_requests_per_s", "the same of all with a token (requests/s)")
MEASURES = (ONE, ALL, ONE_TLS, ALL_TLS, ONE_TOKEN, ALL_TOKEN)
KEYS = (ONE.key, ALL.key)
TLS_KEYS = (ONE_TLS.key, ALL_TLS.key)
TOKEN_KEYS = (ONE_TOKEN.key, ALL_TOKEN.key)
TOKENLESS = "without_token"
"""The same headend without tokens: the ratio to it is what the check of a token leaves."""


@dataclass(frozen=True)
class Files:
    """The files of a run."""

    paths: Path
    """A path of ``GET /telemetry/{id}`` a line."""
    assets: Path
    agents: Path
    latest: Path
    """An answer to ``GET /telemetry``, for the peer."""
    tokens: Path
    """The file with the one token."""


@dataclass(frozen=True)
class Way:
    """How a headend is asked."""

    scheme: str = "http"
    token: str | None = None


def run(workshop: Workshop, budget: Budget) -> list[Findings]:
    servers = Servers(workshop, budget)
    find_program("wrk", "wrk")
    workshop.agents()
    with contextlib.suppress(Unavailable):
        # The peer's turn repeats the message.
        workshop.fastapi_python()
    budget.restart()
    with workshop.scratch() as folder:
        files = Files(
            folder / "paths.txt",
            write_assets(folder / "assets.yaml", ASSETS),
            write_agents(folder / "agents.txt", ASSETS, 1),
            folder / "latest.json",
            folder / "tokens.yaml",
        )
        token = _make_token(files.tokens)
        files.paths.write_text("".join(f"/telemetry/{asset_id(n)}\n" for n in range(ASSETS)))

        def headend(keys: tuple[str, str], way: Way) -> Callable[[Sheet], None]:
            start = partial(_headend, workshop, budget, servers, files, way)
            return partial(_measure, workshop, budget, files, keys, way, start)

        peer = partial(_fastapi, servers, files)
        contestants = [
            Contestant(OURS, KEYS, headend(KEYS, Way())),
            Contestant(OURS, TLS_KEYS, headend(TLS_KEYS, Way("https"))),
            Contestant(OURS, TOKEN_KEYS, headend(TOKEN_KEYS, Way(token=token))),
            Contestant(TOKENLESS, TOKEN_KEYS, headend(TOKEN_KEYS, Way())),
            Contestant(
                "fastapi", KEYS, partial(_measure, workshop, budget, files, KEYS, Way(), peer)
            ),
        ]
        return compete(MEASURES, contestants, budget, main_peer="fastapi", tell=workshop.tell)


def _make_token(file: Path) -> str:
    """Makes a file with one token; returns the token."""
    command = (sys.executable, "-m", "derhead", "token", "add", "bench", "--role", "viewer")
    made = subprocess.run(
        [*command, "--tokens", str(file)], capture_output=True, check=True, text=True
    )
    return made.stdout.strip()


@contextmanager
def _headend(
    workshop: Workshop, budget: Budget, servers: Servers, files: Files, way: Way
) -> Iterator[Server]:
    """A headend whose agents are connected and have each sent a sample."""
    settings = {}
    if way.token is not None:
        settings["DERHEAD_TOKENS"] = str(files.tokens)
    if way.scheme == "https":
        _, certificate, key = workshop.certificates()
        settings["DERHEAD_HTTP_TLS_CERT"] = str(certificate)
        settings["DERHEAD_HTTP_TLS_KEY"] = str(key)
    with (
        servers.derhead(files.assets, settings=settings) as server,
        connected(workshop, budget, files.agents, server.port) as agents,
    ):
        agents.require_all()
        agents.go(server, rate=ASSETS, rows=1, warmup_s=0.5, seconds=1.5)
        assert server.http_port is not None
        items = get_items(server.http_port, "/telemetry", 10, scheme=way.scheme, token=way.token)
        spoken = [item for item in items if item["ts"]]
        if len(spoken) < ASSETS:
            raise Failed(f"only {len(spoken):,} of {ASSETS:,} assets have a sample")
        text = get_text(server.http_port, "/telemetry", 10, scheme=way.scheme, token=way.token)
        files.latest.write_text(text)
        yield server


@contextmanager
def _fastapi(servers: Servers, files: Files) -> Iterator[Server]:
    if not files.latest.exists():
        raise Failed("the headend gave no telemetry to answer with")
    with servers.fastapi(files.latest) as server:
        yield server


def _measure(
    workshop: Workshop,
    budget: Budget,
    files: Files,
    keys: tuple[str, str],
    way: Way,
    start: Callable[[], AbstractContextManager[Server]],
    sheet: Sheet,
) -> None:
    one, everything = keys
    shown = () if way.token is None else ("-H", f"Authorization: Bearer {way.token}")
    in_turn = ("-s", HERE / "rotate.lua")
    with start() as server:
        base = f"{way.scheme}://127.0.0.1:{server.http_port}"
        for key, path, options, rest in (
            (one, "/", in_turn, ("--", files.paths)),
            (everything, "/telemetry", (), ()),
        ):
            ask = partial(_requests_per_s, workshop, base + path, (*shown, *options), rest)
            ask(WARMUP_S)
            sheet.put(key, ask(budget.pick(3, 6)))


def _requests_per_s(
    workshop: Workshop,
    url: str,
    options: tuple[object, ...],
    rest: tuple[object, ...],
    seconds: int,
) -> float:
    """Runs ``wrk``; returns its counts. Raises: Failed, also if an answer was not 200."""
    command = (
        *(find_program("wrk", "wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"),
        *("--timeout", f"{ANSWER_S}s", *options),
        *(url, *rest),
    )
    with running("wrk", command, cores=workshop.cores.generator, logs=workshop.logs) as child:
        said = child.wait(seconds + 2 * ANSWER_S).decode()
    return read_wrk(said)


def read_wrk(said: str) -> float:
    """Requests a second from the output of ``wrk``. Raises: Failed if an answer was no success."""
    wrong = re.search(r"Non-2xx.*|Socket errors.*", said)
    if wrong:
        raise Failed(f"wrk: {wrong[0].strip()}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None:
        raise Failed(f"wrk said {said[:200]!r}")
    return float(found[1])
