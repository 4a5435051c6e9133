"""The two telemetry endpoints on FastAPI and uvicorn, with the same answers as the headend's.

Runs in an environment of its own, which has FastAPI and not this project.
"""

import argparse
import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException

STALE_AFTER_S = 10.0


def make_app(items: list[dict[str, Any]]) -> Any:
    """The app over a fixed latest table; it computes an item's age for each request."""
    app = FastAPI()
    latest = {
        item["asset_id"]: (datetime.fromisoformat(item["ts"]).timestamp(), item) for item in items
    }

    def current(ts_s: float, item: dict[str, Any], now_s: float) -> dict[str, Any]:
        age_s = max(0.0, now_s - ts_s)
        return {**item, "age_s": round(age_s, 3), "stale": age_s > STALE_AFTER_S}

    @app.get("/telemetry")
    async def list_latest() -> Any:
        now_s = time.time()
        items = [current(ts_s, item, now_s) for ts_s, item in latest.values()]
        return {"items": items, "next_cursor": None}

    @app.get("/telemetry/{asset_id}")
    async def show_latest(asset_id: str) -> Any:
        found = latest.get(asset_id)
        if found is None:
            raise HTTPException(404)
        return current(*found, time.time())

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latest", type=Path, required=True, help="an answer to GET /telemetry")
    options = parser.parse_args()
    uvicorn.run(
        make_app(json.loads(options.latest.read_text())["items"]),
        host="127.0.0.1",
        port=options.port,
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
    )


if __name__ == "__main__":
    main()
