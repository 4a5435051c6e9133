"""derhead and deragent from the shell's side: output, exit codes, what the daemons are given."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
import trio

import deragent.cli
import derhead.cli
from deragent.config import AgentConfig, AgentPlan
from derhead.config import HeadendConfig
from derhead.errors import JournalError
from derproto import __version__
from derproto.configuration.fleet import Fleet
from derproto.configuration.problems import ConfigError, Problem
from derproto.stdio.command import EXIT_PIPE, exit_code_of
from tests.unit.config.fleet_file import NORTH, ROOF, write_fleet

Daemon = Callable[..., Awaitable[None]]
ReadLevel = Callable[[], str]


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("STATE_DIRECTORY", "DERHEAD_ASSETS", "DERAGENT_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    write_fleet(tmp_path)
    return Path("assets.yaml")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Daemon], None]:
    """Puts a stand-in where a command looks for its daemon."""

    def put(name: str, main: Daemon) -> None:
        module = ModuleType(name)
        module.__dict__["main"] = main
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(f"{name.partition('.')[0]}.cli.configure_logging", lambda *_given: None)

    return put


def test_check_says_what_the_headend_would_serve(
    assets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert derhead.cli.main(["check", "--assets", "assets.yaml", "--http", "[::1]:80"]) == 0
    assert capsys.readouterr() == (
        """\
assets.yaml: 3 sites, 4 assets, 7.75 MW
  solar       1 asset, 5 MW
  battery     1 asset, 1.5 MW
  load        2 assets, 1.25 MW
REST at [::1]:80 (cleartext), agents at 127.0.0.1:50051 (cleartext)
journal in var/derhead
""",
        "",
    )


def test_check_says_what_an_agent_would_serve(
    assets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--assets", "assets.yaml", "--site", "North", "--headend", "h:1"]
    assert deragent.cli.main(["check", *flags]) == 0
    assert capsys.readouterr() == (
        f"""\
agent {NORTH} of the headend at h:1 (cleartext)
  Roof: solar, 5 MW, simulated
  Battery: battery, 1.5 MW, simulated
""",
        "",
    )


def test_an_agent_checks_its_own_devices_and_a_headend_none(
    assets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = assets.read_text(encoding="utf-8")
    typo = "kind: solar, rated_mw: 5, device: {driver: replay, fil: day.csv}"
    assets.write_text(text.replace("kind: solar, rated_mw: 5", typo), encoding="utf-8")
    line = text[: text.index("kind: solar")].count("\n") + 1
    which = ["--assets", "assets.yaml", "--headend", "h:1"]
    assert deragent.cli.main(["check", *which, "--asset", "Roof"]) == 2
    assert capsys.readouterr().err == (
        f"assets.yaml:{line}: assets[0].device.fil: unknown key; did you mean file?\n"
    )
    assert deragent.cli.main(["check", *which, "--asset", "Battery"]) == 0
    assert derhead.cli.main(["check", "--assets", "assets.yaml"]) == 0


def test_drivers_lists_the_options_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert deragent.cli.main(["drivers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"simulated (derhead {__version__}): a model of each kind of asset" in lines
    (soc,) = (line.split() for line in lines if line.startswith("soc "))
    assert soc[1:6] == ["battery", "number", "from", "0", "to"]
    assert deragent.cli.main(["drivers", "--json"]) == 0
    shapes = {each["name"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert shapes["replay"]["kinds"] == ["solar"]
    (ramp,) = (each for each in shapes["simulated"]["options"] if each["key"] == "ramp_mw_per_s")
    assert ramp == {
        "key": "ramp_mw_per_s",
        "kinds": ["solar", "battery", "ev_charger", "load", "generator"],
        "type": "number from 1e-06",
        "unit": "MW/s",
        "least": 1e-06,
        "above": None,
        "most": None,
        "required": False,
        "default": None,
        "default_in_words": "none; a generator's: rated_mw in 30 s",
        "help": "its fastest change",
    }


def test_check_opens_the_devices(assets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = assets.read_text(encoding="utf-8")
    replay = "kind: solar, rated_mw: 5, device: {driver: replay, file: nowhere.csv}"
    assets.write_text(text.replace("kind: solar, rated_mw: 5", replay), encoding="utf-8")
    flags = ["--assets", "assets.yaml", "--asset", "Roof", "--headend", "h:1"]
    assert deragent.cli.main(["check", *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"asset Roof: device.file: {assets.parent.resolve()}/nowhere.csv: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "check"])
def test_all_problems_are_lines_on_stderr_and_exit_2(
    assets: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assets.write_text(assets.read_text(encoding="utf-8").replace("solar", "sun"), encoding="utf-8")
    assert derhead.cli.main([command, "--assets", "assets.yaml", "--grpc", "50051"]) == 2
    assert capsys.readouterr() == (
        "",
        """\
--grpc: '50051' has no port; write host:port, such as 127.0.0.1:8080 or [::1]:8080
assets.yaml:6: assets[0].kind: there is no kind 'sun'; there are: solar, battery, ev_charger, \
load, generator
""",
    )


@pytest.mark.parametrize(
    ("faulty", "last"), [(20, None), (21, "and 1 more problem"), (1_000, "and 980 more problems")]
)
def test_many_problems_are_counted_after_the_first(
    assets: Path, capsys: pytest.CaptureFixture[str], faulty: int, last: str | None
) -> None:
    item = "id: 00000000-0000-4000-8000-{:012x}, name: n{}, site: A, kind: sun, rated_mw: 1"
    site = "sites: [{id: 00000000-0000-4000-9000-000000000000, name: A}]\nassets:\n"
    lines = (f"  - {{{item.format(number, number)}}}\n" for number in range(faulty))
    assets.write_text(site + "".join(lines), encoding="utf-8")
    assert derhead.cli.main(["check", "--assets", "assets.yaml"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [each for each in said if "there is no kind 'sun'" not in each] == [last] * (
        last is not None
    )
    assert len(said) == min(faulty, 20) + (last is not None)


@pytest.mark.parametrize("command", ["run", "check"])
def test_an_agent_without_anything_exits_2(
    assets: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert deragent.cli.main([command]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "--assets",
        "--site or --asset",
        "--headend",
    ]


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (derhead.cli.main, []),
        (derhead.cli.main, ["serve", "--htt", "a:1"]),
        (deragent.cli.main, ["run", "--site", "a", "--asset", "b"]),
    ],
)
def test_flags_that_do_not_exist_or_exclude_each_other_exit_2(
    main: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: der" in capsys.readouterr().err


def test_serve_hands_config_and_fleet_to_the_daemon(
    assets: Path, install: Callable[[str, Daemon], None]
) -> None:
    given: list[tuple[HeadendConfig, Fleet]] = []

    async def daemon(config: HeadendConfig, fleet: Fleet, read_level: ReadLevel) -> None:
        await trio.lowlevel.checkpoint()
        given.append((config, fleet))
        assert read_level() == "info"

    install("derhead.daemon", daemon)
    assert derhead.cli.main(["serve", "--assets", "assets.yaml", "--data", "d"]) == 0
    ((config, fleet),) = given
    assert config.data == Path("d")
    assert len(fleet.assets) == 4


def test_run_hands_config_and_plan_to_the_daemon(
    assets: Path, install: Callable[[str, Daemon], None]
) -> None:
    given: list[tuple[AgentConfig, AgentPlan]] = []

    async def daemon(config: AgentConfig, plan: AgentPlan, **read: Callable[[], object]) -> None:
        await trio.lowlevel.checkpoint()
        given.append((config, plan))
        assert read["read_level"]() == "info"
        assert read["read_plan"]() == plan

    install("deragent.daemon", daemon)
    flags = ["--assets", "assets.yaml", "--asset", "Roof", "--asset", "Battery", "--events"]
    assert deragent.cli.main(["run", *flags, "--agent-id", "a", "--headend", "h:1"]) == 0
    ((config, plan),) = given
    assert config.events
    assert (plan.agent_id, [asset.name for asset in plan.assets]) == ("a", ["Roof", "Battery"])


@pytest.mark.parametrize(
    "error",
    [
        OSError(98, "Address already in use"),
        ExceptionGroup("", [ExceptionGroup("", [OSError(98, "Address already in use")])]),
    ],
)
def test_an_address_in_use_is_one_line_and_exit_1(
    assets: Path,
    install: Callable[[str, Daemon], None],
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    async def daemon(config: HeadendConfig, fleet: Fleet, read_level: ReadLevel) -> None:
        await trio.lowlevel.checkpoint()
        raise error

    install("derhead.daemon", daemon)
    assert derhead.cli.main(["serve", "--assets", "assets.yaml"]) == 1
    assert capsys.readouterr() == ("", "derhead: [Errno 98] Address already in use\n")


def test_a_journal_that_will_not_open_is_one_line_and_exit_1(
    assets: Path, install: Callable[[str, Daemon], None], capsys: pytest.CaptureFixture[str]
) -> None:
    async def daemon(config: HeadendConfig, fleet: Fleet, read_level: ReadLevel) -> None:
        await trio.lowlevel.checkpoint()
        raise JournalError("journal.db is held by another headend")

    install("derhead.daemon", daemon)
    assert derhead.cli.main(["serve", "--assets", "assets.yaml"]) == 1
    assert capsys.readouterr().err == "derhead: journal.db is held by another headend\n"


def test_a_bug_is_neither_hidden_nor_shortened(
    assets: Path, install: Callable[[str, Daemon], None]
) -> None:
    async def daemon(config: HeadendConfig, fleet: Fleet, read_level: ReadLevel) -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("a bug")

    install("derhead.daemon", daemon)
    with pytest.raises(LookupError, match="a bug"):
        derhead.cli.main(["serve", "--assets", "assets.yaml"])


def test_a_configuration_error_outweighs_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def act() -> None:
        wrong = ConfigError([Problem("f", 1, "k", "wrong")])
        raise ExceptionGroup("", [OSError("no"), wrong])

    assert exit_code_of("x", act) == 2
    assert capsys.readouterr().err == "f:1: k: wrong\nx: no\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["derhead", "check", "--assets", "assets.yaml"],
        ["deragent", "check", "--assets", "assets.yaml", "--asset", ROOF, "--headend", "h:1"],
        ["derhead", "pki", "init"],
        ["derhead", "--print-completion", "zsh"],
        ["deragent", "--print-completion", "bash"],
        ["launcher", "generate", "3"],
        ["launcher", "run", "--help"],
        ["launcher", "--version"],
    ],
    ids=" ".join,
)
def test_a_command_ends_quietly_if_its_reader_closed_the_pipe(
    arguments: list[str], assets: Path
) -> None:
    ended = run_without_reader(arguments, errors_too=False)
    assert (ended.returncode, ended.stderr) == (EXIT_PIPE, b"")


def test_errors_that_nobody_reads_end_a_command_too() -> None:
    assert run_without_reader(["derhead", "check"], errors_too=True).returncode == EXIT_PIPE


def test_a_command_may_be_started_without_output(assets: Path) -> None:
    command = f"{sys.executable} -m derhead export telemetry --assets assets.yaml >&-"
    root = Path(derhead.cli.__file__).parents[1]
    environ = {"PYTHONPATH": f"{root}:{root / 'proto'}"}
    ended = subprocess.run(command, shell=True, env=environ, stderr=subprocess.PIPE, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"derhead: ")


def run_without_reader(
    arguments: list[str], *, errors_too: bool
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command with a pipe for output, also for errors, that nobody reads."""
    root = Path(derhead.cli.__file__).parents[1]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            stdout=writer,
            stderr=writer if errors_too else subprocess.PIPE,
            check=False,
            timeout=60,
            env={"PYTHONPATH": f"{root}:{root / 'proto'}"},
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize("module", ["derhead", "deragent"])
def test_the_modules_are_commands(module: str, assets: Path) -> None:
    root = Path(derhead.cli.__file__).parents[1]
    flags = ["check", "--assets", "assets.yaml", "--asset", ROOF, "--headend", "h"]
    version, check = (
        subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PYTHONPATH": f"{root}:{root / 'proto'}"},
        )
        for arguments in (["--version"], flags[:1] if module == "derhead" else flags)
    )
    assert (version.returncode, version.stdout) == (0, f"{module} {__version__}\n")
    assert check.returncode == 2
    assert check.stdout == ""
    assert check.stderr.startswith("--assets:" if module == "derhead" else "--headend: 'h' has")
