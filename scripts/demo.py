"""The Python half of ``scripts/demo``, which first makes the environment."""

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ASSETS = Path("scripts/demo.yaml")
DATA = Path("var/demo")
BIN = Path(sys.executable).parent
READY_S = 60.0
"""Time in which the slowest machine starts the headend and eight agents."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Starts a headend and a simulated fleet."
    )
    parser.add_argument("--http", default="127.0.0.1:8080", metavar="H:P", help="address of REST")
    parser.add_argument(
        "--grpc", default="127.0.0.1:50051", metavar="H:P", help="address for agents"
    )
    parser.add_argument(
        "--data", type=Path, default=DATA, metavar="DIR", help="folder of logs and stores"
    )
    parser.add_argument("--once", action="store_true", help="stop after the first requests")
    options = parser.parse_args()
    # A plain kill stops everything in order, as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with running(options) as processes:
            show(f"http://{options.http}")
            if not options.once:
                print("\nIt stays up until Ctrl-C. The headend's log is in", options.data)
                while all(process.poll() is None for process in processes):
                    time.sleep(0.5)
                raise DemoError(f"the headend or its fleet ended by itself; see {options.data}")
    except KeyboardInterrupt:
        print("\nstopped")
    except DemoError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    return 0


class DemoError(Exception):
    """The demo cannot continue. The text says what to do."""


@contextlib.contextmanager
def running(options: argparse.Namespace) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Runs a headend and its fleet for the block, and yields their processes."""
    options.data.mkdir(parents=True, exist_ok=True)
    headend_log, fleet_log = options.data / "derhead.log", options.data / "derlaunch.log"
    with contextlib.ExitStack() as stack:
        print(f"derhead serve  --assets {ASSETS} --http {options.http} --grpc {options.grpc}")
        headend = start(
            stack,
            headend_log,
            *("derhead", "serve", "--assets", ASSETS, "--http", options.http),
            *("--grpc", options.grpc, "--data", options.data / "derhead"),
        )
        # Its own log says that it listens. An answer could come from another headend on that port.
        wait_for(lambda: "serves REST" in headend_log.read_text(), headend, headend_log)
        print(f"derlaunch run  --assets {ASSETS} --headend {options.grpc}")
        fleet = start(
            stack,
            fleet_log,
            *("derlaunch", "run", "--assets", ASSETS, "--headend", options.grpc),
            *("--data", options.data / "derlaunch"),
        )
        wait_for(lambda: everything_speaks(f"http://{options.http}"), fleet, fleet_log)
        yield [headend, fleet]


def start(stack: contextlib.ExitStack, log: Path, *command: object) -> subprocess.Popen[bytes]:
    """Starts one of the project's commands, with its output in ``log``. The stack ends it."""
    program, *arguments = (str(part) for part in command)
    output = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(
        [BIN / program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        # Ctrl-C reaches the demo alone, which then stops them in order.
        start_new_session=True,
    )
    stack.callback(stop, process)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(ready: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    """Polls until ``ready()`` is true. Raises: DemoError with the log's end if it never is."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, LookupError):
            if ready():
                return
        time.sleep(0.2)
    ended = "".join(log.read_text().splitlines(keepends=True)[-5:])
    raise DemoError(f"it did not start; {log} ends with\n{ended}")


def everything_speaks(base: str) -> bool:
    """Whether every asset has sent a sample."""
    items = get(f"{base}/telemetry")["items"]
    return bool(items) and all(item["stale"] is False for item in items)


def get(url: str, body: object = None) -> dict[str, Any]:
    request = urllib.request.Request(url)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=5) as answer:
        read: dict[str, Any] = json.load(answer)
        return read


def show(base: str) -> None:
    """Sends the requests that a new user would send, and prints each with its answer."""
    ask("The fleet", f"curl {base}/assets", get(f"{base}/assets"))
    ask("Who is connected", f"curl {base}/agents", get(f"{base}/agents"))
    ask(
        "What a solar park does now",
        f"curl {base}/telemetry/alamosa-solar-1",
        get(f"{base}/telemetry/alamosa-solar-1"),
    )
    body = {"asset_id": "alamosa-battery", "mw": -1.5, "duration_s": 60}
    posted = time.monotonic()
    dispatch = get(f"{base}/dispatch", body)
    ask(
        "Charge a battery with 1.5 MW for a minute",
        f"curl -X POST {base}/dispatch -H 'content-type: application/json' -d '{json.dumps(body)}'",
        dispatch,
    )
    dispatch_url = f"{base}/dispatch/{dispatch['id']}"
    while get(dispatch_url)["state"] != "started":
        if time.monotonic() > posted + 10:
            raise DemoError(f"the dispatch is not applied: curl {dispatch_url}")
        time.sleep(0.005)
    applied_ms = (time.monotonic() - posted) * 1000
    ask(
        f"What became of it: applied in {applied_ms:.0f} ms",
        f"curl {dispatch_url}",
        get(dispatch_url),
    )
    while get(f"{base}/telemetry/alamosa-battery")["p_mw"] != -1.5:
        if time.monotonic() > posted + 15:
            raise DemoError(f"the battery does not charge: curl {base}/telemetry/alamosa-battery")
        time.sleep(0.1)
    seen_s = time.monotonic() - posted
    ask(
        f"The battery charges, as measured: seen {seen_s:.1f} s after the order",
        f"curl {base}/telemetry/alamosa-battery",
        get(f"{base}/telemetry/alamosa-battery"),
    )
    print(f"\nThe control-room page: {base}/   The API's own description: {base}/docs")
    print("More to ask:")
    for path in (
        "/telemetry",
        "/telemetry/alamosa-battery/history?limit=5",
        "/dispatch/history",
        "/heartbeat/alamosa-battery",
    ):
        print(f"  curl '{base}{path}'")


def ask(what: str, command: str, answer: object) -> None:
    """Prints what is asked, the command that asks it, and the answer, shortened to the screen."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
    print(f"\n{what}\n  {command}")
    text = json.dumps(answer)
    print("  " + (text if len(text) <= 3 * width else text[: 3 * width - 4] + " ..."), flush=True)


if __name__ == "__main__":
    sys.exit(main())
