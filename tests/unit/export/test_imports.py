"""An export starts without the HTTP server and without PostgreSQL's driver."""

import subprocess
import sys

HEAVY = {"asyncpg", "h11", "hypercorn", "quart", "quart_trio", "trio_asyncio", "werkzeug"}


def test_the_export_command_loads_no_http_server_and_no_driver() -> None:
    code = "import sys, derhead.export.exporting; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "derhead" in loaded
    assert loaded & HEAVY == set()
