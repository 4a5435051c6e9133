"""The commands as a new user meets them: the demo, a fresh install, and bad input."""

import os
import socket
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.processes.world import free_port

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_demo_shows_an_applied_dispatch(tmp_path: Path) -> None:
    http, grpc = free_port(), free_port()
    demo = run(
        *(sys.executable, "scripts/demo.py", "--once", "--data", tmp_path),
        *("--http", f"127.0.0.1:{http}", "--grpc", f"127.0.0.1:{grpc}"),
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    print("\n".join(line for line in demo.stdout.splitlines() if "applied in" in line))
    assert f"curl http://127.0.0.1:{http}/telemetry/alamosa-solar-1" in demo.stdout
    assert '"state": "started"' in demo.stdout
    assert "The battery charges, as measured" in demo.stdout


def test_the_demo_refuses_to_run_beside_another_headend(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = run(
            *(sys.executable, "scripts/demo.py", "--once", "--data", tmp_path),
            *("--http", f"127.0.0.1:{taken.getsockname()[1]}"),
            *("--grpc", f"127.0.0.1:{free_port()}"),
        )
    assert demo.returncode == 1
    assert "Address already in use" in demo.stderr


def test_the_commands_run_after_a_bare_pip_install(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    installed = run(
        *(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ROOT),
        PIP_CONSTRAINT=str(ROOT / "constraints.txt"),
    )
    assert installed.returncode == 0, installed.stderr
    for name in ("derhead", "deragent", "derlaunch"):
        shown = run(tmp_path / "venv/bin" / name, "--version")
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.startswith(name)
    fleet = run(tmp_path / "venv/bin/derlaunch", "generate", "3", "--seed", "7")
    assets = tmp_path / "assets.yaml"
    assets.write_text(fleet.stdout)
    checked = run(tmp_path / "venv/bin/derhead", "check", "--assets", assets)
    assert checked.returncode == 0, checked.stderr
    assert "3 assets" in checked.stdout
    checked = run(
        *(tmp_path / "venv/bin/deragent", "check", "--assets", assets, "--headend"),
        *("127.0.0.1:50051", "--asset", "nowhere"),
    )
    assert checked.returncode == 2
    assert "nowhere" in checked.stderr


def test_a_command_lists_all_configuration_errors_at_once(tmp_path: Path) -> None:
    assets = tmp_path / "assets.yaml"
    assets.write_text(
        "sites:\n"
        "  - {id: 5c1f0000-0000-4000-8000-0000000000aa, name: mesa}\n"
        "assets:\n"
        "  - name: one\n"
        "    site: mesaa\n"
        "    kind: batery\n"
        "    rated_mw: two\n"
        "  - id: 5c1f0000-0000-4000-8000-0000000000aa\n"
        "    name: one\n"
        "    site: mesa\n"
        "    kind: solar\n"
        "    rated_mw: 2\n"
        "    limits: {min_mw: 1, max_mw: 0.5}\n"
        "    colour: red\n"
    )
    served = run(sys.executable, "-m", "derhead", "serve", "--assets", assets)
    assert served.returncode == 2
    lines = served.stderr.splitlines()
    for words in ("id: missing", "site: ", "kind: ", "rated_mw: ", "limits", "colour: unknown key"):
        assert any(words in line for line in lines), (words, served.stderr)
    assert all(line.startswith(f"{assets}:") for line in lines), served.stderr


def test_an_address_in_use_costs_one_line_of_error(tmp_path: Path) -> None:
    assets = tmp_path / "assets.yaml"
    assets.write_text(run(sys.executable, "-m", "launcher", "generate", "1").stdout)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        served = run(
            *(sys.executable, "-m", "derhead", "serve", "--assets", assets),
            *("--http", address, "--grpc", f"127.0.0.1:{free_port()}", "--data", tmp_path),
        )
    assert served.returncode == 1
    (line,) = served.stderr.splitlines()
    assert f"--http {address}: " in line
    assert "give another address" in line
