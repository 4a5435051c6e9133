"""``deragent commission``: the acceptance test of a device, from its flags to its result.

open_early_end                    a key, a signal or a lost terminal ends the test
├ take_signals
├ take_key                        on a terminal
└ conduct                         deragent/commissioning/conducting.py
  └ open_rig                      deragent/commissioning/device_rig.py: closed last
    ├ the driver's tasks          of the device's connection, say
    ├ SteeringAgent.run           while orders are tried: the agent's own controller
    │ └ _hear                     the headend that seems to be there, once a second
    ├ watch                       waits for the early end
    └ _play                       one act after another, ⏱ 10 min with the way back to the default
"""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from deragent.acceptance.acceptance_page import page_of
from deragent.acceptance.acceptance_record import AcceptanceRecord
from deragent.acceptance.acceptance_report import (
    AcceptanceFacts,
    shape_of_record,
    text_of_record,
)
from deragent.commissioning.conducting import conduct
from deragent.commissioning.early_end import open_early_end
from deragent.config import PREFIX, choose_assets, read_config
from deragent.devices import Asset, Runtime, check_device
from deragent.timelines.timeline_file import TimelineFile
from derproto import __version__
from derproto.configuration.kinds import PATH
from derproto.configuration.problems import ConfigError, Problem, nearest
from derproto.configuration.settings import NO_PATH, Settings
from derproto.stdio.command import EXIT_FAILED, put_out
from derproto.stdio.logs import configure_logging, drain_logs
from derproto.stdio.terminal import rendered

EXIT_INTERRUPTED = 130
"""As of a command that Ctrl-C ended."""


@dataclass(frozen=True, slots=True)
class CommissionPlan:
    """What the flags ask for."""

    asset: Asset
    data: Path | None
    """The data folder of the agent that serves the asset, if it is known."""
    json: Path | None
    page: Path | None
    log_level: str
    log_format: str | None


def read_plan(flags: Namespace, environ: Mapping[str, str]) -> CommissionPlan:
    """What to test, and where the result goes. Raises: ConfigError with every problem."""
    given = vars(flags)
    settings = Settings(PREFIX, given, environ)
    config = read_config(settings, environ, serves=False)
    fleet = None if config.assets is NO_PATH else settings.read_fleet(config.assets)
    asset = None if fleet is None else fleet.find_asset(given["wanted"])
    if fleet is not None and asset is None:
        advice = nearest(given["wanted"], [each.name for each in fleet.assets.values()])
        text = f"there is no asset {given['wanted']!r} in {config.assets}; {advice}"
        settings.problems.append(Problem(None, None, "ASSET", text))
    if asset is not None:
        settings.problems += check_device(asset)
    json_path, page_path = (_output(given, name, settings.problems) for name in ("json", "page"))
    settings.finish()
    assert fleet is not None
    assert asset is not None
    data = config.data
    if data is None and (config.site or config.asset_names):
        data = config.data_folder(choose_assets(config, fleet).agent_id)
    return CommissionPlan(asset, data, json_path, page_path, config.log_level, config.log_format)


def _output(given: Mapping[str, object], name: str, problems: list[Problem]) -> Path | None:
    text = given[name]
    if text is None:
        return None
    path = PATH.read(text)
    if not path.parent.is_dir() or path.is_dir():
        wrong = f"{path} cannot be a file; name one in a folder that exists"
        problems.append(Problem(None, None, f"--{name}", wrong))
    return path


def warning_of(asset: Asset) -> str:
    """What the test will do to the device, for whoever must agree."""
    limits, default_mw = asset.limits, asset.default_mw
    rest = "under its own control" if default_mw is None else f"at {default_mw:g} MW"
    return (
        f"{asset.name}: {asset.kind}, {asset.rated_mw:g} MW, driver {asset.device.driver}\n"
        f"The test orders powers from {limits.min_mw:g} to {limits.max_mw:g} MW for at most "
        f"10 minutes, and leaves the device {rest}.\n"
        "Nobody else may steer it meanwhile: the agent that serves it must be stopped.\n"
        "Any key ends the test.\n"
    )


def confirm(asset: Asset) -> None:
    """Asks whether the test may begin. Raises: ConfigError without a terminal; SystemExit for a
    no."""
    if not sys.stdin.isatty():
        text = "there is no terminal to ask at; give --yes if the device may be steered now"
        raise ConfigError([Problem(None, None, "--yes", text)])
    put_out(f"{warning_of(asset)}Type yes to begin: ")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise SystemExit(EXIT_INTERRUPTED)


def commission(plan: CommissionPlan, runtime: Runtime) -> None:
    """Tests the device, and puts out the result.

    Raises: DataFolderError while the asset's agent runs; DeviceConfigError; OSError for a file
    that cannot be written; SystemExit for a test that did not pass.
    """
    with _instead_of_agent(plan.data):
        configure_logging(plan.log_level, plan.log_format)
        wall_us = runtime.wall_us()
        record, interrupted = trio.run(partial(_conduct, plan.asset, runtime))
    facts = AcceptanceFacts(plan.asset, wall_us, __version__, interrupted)
    put_result(plan, facts, record)
    if interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if not record.passed:
        raise SystemExit(EXIT_FAILED)


def put_result(plan: CommissionPlan, facts: AcceptanceFacts, record: AcceptanceRecord) -> None:
    """Writes the files, then the table. Raises: OSError."""
    # The files come first: the terminal may be gone.
    if plan.json is not None:
        text = json.dumps(shape_of_record(facts, record), ensure_ascii=False, indent=1)
        plan.json.write_text(f"{text}\n", encoding="utf-8")
    if plan.page is not None:
        plan.page.write_text(page_of(facts, record), encoding="utf-8")
    drain_logs()
    put_out(f"{rendered(sys.stdout, *text_of_record(facts, record))}\n")


@contextmanager
def _instead_of_agent(data: Path | None) -> Iterator[None]:
    """Holds the lock of the agent's data folder, if there is one."""
    if data is None or not data.is_dir():
        yield
        return
    held = TimelineFile(data)
    try:
        yield
    finally:
        held.close()


async def _conduct(asset: Asset, runtime: Runtime) -> tuple[AcceptanceRecord, str]:
    async with open_early_end() as wait_end:
        return await conduct(asset, runtime, wait_end=wait_end)
