"""The Python half of ``scripts/openapi-examples``, which first makes the environment."""

import argparse
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import demo

FILE = Path("derhead/api/openapi/examples.json")
ITEMS = 2
"""Most items of a list that an example keeps."""
LINES = 12
"""Most lines of a text that an example keeps."""
WIDTH = 400
"""Most characters that an example keeps of a line of the event stream."""
BATTERY, SITE = "alamosa-battery", "Riverside%20depot"
ORDER = {"asset_id": BATTERY, "mw": -1.5, "duration_s": 900}
SITE_ORDER = {"site_id": "Riverside depot", "mw": 1.0, "duration_s": 900}


class Asked:
    """Sends requests, and collects the answers in the form of OpenAPI's examples."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.examples: dict[str, dict[str, Any]] = {}

    def ask(
        self,
        key: str,
        name: str,
        summary: str,
        path: str,
        *,
        method: str = "GET",
        body: object = None,
        accept: str | None = None,
    ) -> Any:
        """Sends a request. ``key`` is operation, status, and media type if it is not JSON."""
        request = urllib.request.Request(self._base + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        if accept is not None:
            request.add_header("accept", accept)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, media, text = answer.status, answer.headers["content-type"], answer.read()
        except urllib.error.HTTPError as problem:
            status, media, text = problem.code, problem.headers["content-type"], problem.read()
        wanted = int(key.split()[1])
        assert status == wanted, f"{method} {path}: {status}, not {wanted}: {text[:300]!r}"
        whole = json.loads(text) if media.endswith("json") else text.decode()
        self.keep(key, name, summary, shorten(whole))
        return whole

    def beginning(self) -> str:
        """The start of the event stream: hello and one frame, shortened."""
        lines = []
        with urllib.request.urlopen(f"{self._base}/events", timeout=10) as stream:
            while lines.count("") < 2:
                lines.append(stream.readline().decode().rstrip("\n"))
        return "".join(f"{line[:WIDTH]}{'…' * (len(line) > WIDTH)}\n" for line in lines)

    def keep(self, key: str, name: str, summary: str, value: object) -> None:
        self.examples.setdefault(key, {})[name] = {"summary": summary, "value": value}


def shorten(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(value.splitlines(keepends=True)[:LINES])
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return {**value, "items": value["items"][:ITEMS]}
    return value


def ask_all(asked: Asked) -> None:
    """Sends one request of each kind."""
    ask = asked.ask
    ask("listAssets 200", "assets", "A fleet", "/assets")
    ask("listSites 200", "sites", "Two sites", "/sites")
    ask("showSite 200", "site", "A site", f"/sites/{SITE}")
    agents = ask("listAgents 200", "agents", "Agents", "/agents")["items"]
    agent = next(each["id"] for each in agents if len(each["asset_ids"]) > 0)
    ask("listTelemetry 200", "telemetry", "All assets", "/telemetry")
    ask("showTelemetry 200", "battery", "A battery", f"/telemetry/{BATTERY}")
    dry = {**ORDER, "dry_run": True}
    asked.keep("orderDispatch request", "asset", "To a battery", ORDER)
    asked.keep("orderDispatch request", "site", "To a site", SITE_ORDER)
    asked.keep("orderDispatch request", "dry", "What would become of it", dry)
    ask("orderDispatch 200", "dry", "Of an asset", "/dispatch", method="POST", body=dry)
    placed = ask("orderDispatch 201", "asset", "Taken", "/dispatch", method="POST", body=ORDER)
    path = f"/dispatch/{placed['id']}"
    deadline = time.monotonic() + 20
    while demo.get(asked._base + path)["state"] != "started":
        assert time.monotonic() < deadline, "the dispatch did not start"
        time.sleep(0.05)
    time.sleep(9)
    ask("showDispatch 200", "started", "Started, and measured so far", path)
    ask("showTelemetry 200", "charging", "The battery charges", f"/telemetry/{BATTERY}")
    ask("withdrawDispatch 202", "withdrawn", "On its way", path, method="DELETE")
    ask(
        "orderDispatch 201", "site", "An order to a site", "/dispatch", method="POST",
        body=SITE_ORDER,
    )  # fmt: skip
    ask("listDispatches 200", "dispatches", "Newest first", "/dispatch/history")
    history = f"/telemetry/{BATTERY}/history"
    ask("listHistory 200", "samples", "Samples", f"{history}?limit=2")
    ask("listHistory 200", "steps", "Steps of 10 s", f"{history}?step=10s&limit=2")
    ask("listSessions 200", "sessions", "Newest first", f"/agents/{agent}/sessions")
    ask("showTimeline 200", "timeline", "Newest first", f"/agents/{agent}/timeline")
    ask("listGaps 200", "gaps", "None, as all is well", f"/telemetry/{BATTERY}/gaps")
    ask("listLevels 200", "fleet", "The fleet", "/slo")
    worst = "/slo?by=asset&limit=2"
    ask("listLevels 200", "assets", "The two worst assets", worst)
    ask("listLevels 200 text/csv", "table", "As a table", worst, accept="text/csv")
    ask("showHeartbeat 200", "heartbeat", "Of an asset's agent", f"/heartbeat/{BATTERY}")
    ask("listHeartbeats 200", "heartbeats", "Newest first", f"/heartbeat/{BATTERY}/history")
    table = "text/csv"
    ask("listAssets 200 text/csv", "table", "As a table", "/assets", accept=table)
    ask("listSites 200 text/csv", "table", "As a table", "/sites", accept=table)
    ask("listAgents 200 text/csv", "table", "As a table", "/agents", accept=table)
    ask("listTelemetry 200 text/csv", "table", "As a table", "/telemetry", accept=table)
    ask("listHistory 200 text/csv", "table", "As a table", f"{history}?limit=2", accept=table)
    few = f"{history}?limit=2&fields=ts,p_mw"
    ask("listHistory 200 text/csv", "fields", "Two columns of it", few, accept=table)
    past = "/dispatch/history?limit=2"
    ask("listDispatches 200 text/csv", "table", "As a table", past, accept=table)
    sessions = f"/agents/{agent}/sessions"
    ask("listSessions 200 text/csv", "table", "As a table", sessions, accept=table)
    beats = f"/heartbeat/{BATTERY}/history"
    ask("listHeartbeats 200 text/csv", "table", "As a table", beats, accept=table)
    ask("listGaps 200 text/csv", "table", "As a table", f"/telemetry/{BATTERY}/gaps", accept=table)
    bad = {"asset_id": BATTERY, "mw": 700, "duration_s": -1}
    ask("problem 422", "order", "An order", "/dispatch", method="POST", body=bad)
    while demo.get(asked._base + "/audit")["items"][0]["action"] != "order_refused":
        # The entry of a refusal is stored with the next commit.
        assert time.monotonic() < deadline + 60, "the refusal has no entry"
        time.sleep(0.05)
    ask("listAudit 200", "audit", "Newest first", "/audit")
    ask("listAudit 200 text/csv", "table", "As a table", "/audit?limit=2", accept=table)
    asked.keep("tellEvents 200 text/event-stream", "stream", "Its beginning", asked.beginning())
    ask("tellHealth 200", "ok", "All is well", "/healthz")
    ask("tellReadiness 200", "ready", "All is well", "/readyz")
    ask("tellMetrics 200 text/plain", "figures", "The first lines", "/metrics")
    problems(asked)


def problems(asked: Asked) -> None:
    ask = asked.ask
    ask("problem 404", "asset", "No such asset", "/telemetry/nothing")
    ask("problem 405", "method", "No such method", "/assets", method="DELETE")
    ask("problem 422", "query", "A query", "/dispatch/history?limit=0&form=x")
    gone = "/dispatch/00000000-0000-4000-8000-000000000000"
    ask("problem 404", "dispatch", "No such dispatch", gone, method="DELETE")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        options = argparse.Namespace(
            http="127.0.0.1:28180", grpc="127.0.0.1:28151", data=Path(folder)
        )
        with demo.running(options):
            asked = Asked(f"http://{options.http}")
            # Heartbeats, and a history worth the name.
            time.sleep(35)
            ask_all(asked)
    text = json.dumps(asked.examples, indent=1, ensure_ascii=False)
    FILE.write_text(text + "\n", encoding="utf-8")
    print(f"{FILE}: {sum(map(len, asked.examples.values()))} examples")
    return 0


if __name__ == "__main__":
    sys.exit(main())
