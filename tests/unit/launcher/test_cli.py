"""The output and exit codes of ``derlaunch``; tests/e2e runs its agents."""

import sys
from pathlib import Path

import pytest

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.kinds import Address
from launcher.cli import main
from launcher.fleets.agent_jobs import plan_agents
from launcher.fleets.generated_fleet import generate
from launcher.running import FleetRun, agent_command

NOWHERE = "127.0.0.1:9"


def test_generate_prints_a_fleet_that_reads_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["generate", "12", "--seed", "5"]) == 0
    path = tmp_path / "assets.yaml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_fleet(path) == generate(12, 5)


def test_the_seed_is_1_if_none_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    main(["generate", "3"])
    without = capsys.readouterr().out
    main(["generate", "3", "--seed", "1"])
    assert capsys.readouterr().out == without


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        (["generate", "0"], ["N: 0 is out of range; write a whole number from 1 to 100000"]),
        (["generate", "ten", "--seed", "x"], ["N: ", "--seed: "]),
        (["run", "--assets", "{none}", "--headend", "x"], ["--headend: ", "{none}: there is no"]),
        (
            [
                *("run", "--assets", "{none}", "--headend", NOWHERE),
                *("--log-format", "xml", "--log-level", "loud"),
            ],
            [
                "--log-format: there is no form 'xml'",
                "--log-level: there is no level 'loud'; there are: debug, info",
                "{none}: there is no",
            ],
        ),
        (["run"], ["--assets: missing; name the file", "--headend: missing; write the headend's"]),
        (
            ["run", "--assets", "{good}", "--headend", NOWHERE, "--seed", "1", "--for", "1m"],
            ["--seed: it is for drills; add --chaos", "--for: it is for drills; add --chaos"],
        ),
        (
            ["run", "--chaos", "calm", "--headend", NOWHERE, "--seed", "-1", "--for", "10%"],
            ["--headend: a drill has a headend", "--seed: -1 is out of", "--for: '10%' is a share"],
        ),
        (["run", "--chaos", "clam"], ["--chaos: there is no file 'clam'"]),
        (["run", "--chaos", "{bad}"], ["{bad}:1: duration: missing", "{bad}:1: extra: unknown"]),
        (
            ["run", "--assets", "{bad}", "--headend", NOWHERE],
            ["{bad}:1: sites: ", "{bad}:1: assets: ", "{bad}:1: extra: "],
        ),
    ],
)
def test_bad_input_names_all_that_is_wrong_and_exits_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, argv: list[str], lines: list[str]
) -> None:
    bad, none, good = (tmp_path / f"{name}.yaml" for name in ("bad", "none", "good"))
    bad.write_text("extra: 1\n")
    good.write_text(render_fleet(generate(1)), encoding="utf-8")
    code = main([word.format(bad=bad, none=none, good=good) for word in argv])
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    told = said.err.splitlines()
    assert len(told) == len(lines)
    for begin in lines:
        assert any(line.startswith(begin.format(bad=bad, none=none)) for line in told), begin


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["generate"], "N"),
        (["generate", "5", "--count"], "--count"),
        ([], "COMMAND"),
    ],
)
def test_a_missing_or_unknown_flag_is_named(
    capsys: pytest.CaptureFixture[str], argv: list[str], named: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(argv)
    assert exited.value.code == 2
    assert named in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out.startswith("derlaunch 0.")


def test_an_agents_command_names_all_its_assets_and_a_folder_of_its_own() -> None:
    fleet = generate(2)
    job = plan_agents(fleet)[0]
    fleet_run = FleetRun(Path("f.yaml"), fleet, Address("::1", 50051), False, Path("data"))
    assert agent_command(fleet_run, job, "json") == [
        *(sys.executable, "-m", "deragent", "run", "--events", "--assets", "f.yaml"),
        *("--asset", job.agent_id, "--agent-id", job.agent_id),
        *("--headend", "[::1]:50051", "--data", f"data/{job.agent_id}"),
        *("--log-format", "json"),
    ]


def test_an_agents_command_passes_the_token_on() -> None:
    fleet = generate(1)
    token = Path("sim.token")
    fleet_run = FleetRun(
        Path("f.yaml"), fleet, Address("::1", 50051), False, Path("data"), token_file=token
    )
    command = agent_command(fleet_run, plan_agents(fleet)[0], "logfmt")
    assert command[command.index("--token-file") + 1] == "sim.token"


def test_an_agents_command_passes_the_level_on() -> None:
    fleet = generate(1)
    fleet_run = FleetRun(
        Path("f.yaml"), fleet, Address("::1", 50051), False, Path("data"), log_level="debug"
    )
    command = agent_command(fleet_run, plan_agents(fleet)[0], "logfmt")
    assert command[command.index("--log-level") + 1] == "debug"


def test_a_token_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["run", "--assets", "f.yaml", "--headend", "127.0.0.1:1", "--token-file", "nowhere"]
    assert main(argv) == 2
    assert "--token-file: there is no file nowhere" in capsys.readouterr().err


def test_a_token_that_others_can_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    token = Path("sim.token")
    token.write_text("t0ken")
    token.chmod(0o644)
    argv = ["run", "--assets", "f.yaml", "--headend", "127.0.0.1:1", "--token-file", "sim.token"]
    assert main(argv) == 2
    assert "--token-file: sim.token: other users than its owner" in capsys.readouterr().err
