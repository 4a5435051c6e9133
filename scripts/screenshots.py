"""The Python half of ``scripts/screenshots``, which first makes the environment."""

import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio
import yaml
from selenium.webdriver import Chrome
from trio.testing import MockClock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deragent.outbox import OutboxLimits
from derhead.dispatch import AssetOrder
from derproto.base.runtime import virtual_runtime
from derproto.configuration.assets_file import load_fleet
from tests.support.processes.chromium import Browser, running_chromium
from tests.support.processes.world import World, running
from tests.support.virtual import HEADEND, VirtualWorld, virtual_world

DEMO = Path("scripts/demo.yaml")
PICTURES = Path("docs/screenshots")
PAST_S = 3600.0
FAR = "far"
"""The host that one agent dials. Its link is cut."""
OFFLINE = "depot-genset"
"""This asset has no agent in the pictures, because they show faults, too."""
CUT_S = (1500.0, 1860.0)
"""When one agent cannot reach the headend, in seconds of the hour."""
ORDERS = [
    (420.0, "alamosa-battery", -1.5, 900.0),
    (600.0, "depot-genset", 0.4, 1200.0),
    (2000.0, "alamosa-battery", 0.8, 600.0),
    (2100.0, "depot-battery", 0.75, 900.0),
    (2900.0, "alamosa-battery", 1.6, 480.0),
]
"""(second of the hour, asset, MW, seconds)."""


def main() -> int:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with running(folder, sunny(yaml.safe_load(DEMO.read_text()))) as world:
            began_us = round((time.time() - PAST_S - 20) * 1e6)
            trio.run(
                play,
                world.assets,
                began_us,
                clock=MockClock(0, autojump_threshold=0),
            )
            start(world)
            PICTURES.mkdir(exist_ok=True)
            with running_chromium(folder / "chromium", "--hide-scrollbars") as driver:
                take(driver, world)
    return 0


def sunny(fleet: dict[str, Any]) -> dict[str, Any]:
    """The fleet, with noon at the present hour."""
    for asset in fleet["assets"]:
        if asset["kind"] == "solar":
            asset["device"] = {"driver": "simulated", "noon_utc_h": time.gmtime().tm_hour}
    return fleet


# --- the hour before ----------------------------------------------------------------------


async def play(assets: Path, began_us: int) -> None:
    """Plays an hour of a headend and its agents under virtual time, for charts and tables."""
    fleet = load_fleet(assets)
    runtime = virtual_runtime(began_us)
    async with virtual_world(assets.parent, fleet, runtime=runtime, hosts=(HEADEND, FAR)) as world:
        for seed, asset in enumerate(fleet.assets.values()):
            await world.start_agent(
                asset.id,
                seed=seed,
                host=FAR if asset.name == "alamosa-battery" else HEADEND,
                # So small that the outage costs some samples.
                outbox=OutboxLimits(memory_rows=60),
            )
        orders = [(at, order_of(world, name, mw, s)) for at, name, mw, s in ORDERS]
        cut, mend = partial(set_cut, world, True), partial(set_cut, world, False)
        await carry_out([*orders, (CUT_S[0], cut), (CUT_S[1], mend)])
        await world.stop_agents()


async def carry_out(steps: list[tuple[float, Callable[[], Awaitable[object]]]]) -> None:
    for at, step in sorted(steps, key=lambda each: each[0]):
        await trio.sleep_until(at)
        await step()
    await trio.sleep_until(PAST_S)


def order_of(
    world: VirtualWorld, name: str, mw: float, duration_s: float
) -> Callable[[], Awaitable[object]]:
    asset = world.fleet.find_asset(name)
    assert asset is not None
    return lambda: world.headend.order(AssetOrder(asset.id, mw, round(duration_s * 1e6)))


async def set_cut(world: VirtualWorld, cut: bool) -> None:
    world.network.refuse(FAR, cut)
    if cut:
        world.network.cut(FAR)


# --- now ----------------------------------------------------------------------------------


def start(world: World) -> None:
    """Starts the headend again, all agents but one, and a few dispatches."""
    world.start_headend()
    there = [asset["id"] for asset in world.fleet["assets"] if asset["name"] != OFFLINE]
    for asset_id in there:
        world.start_agent(asset_id)
    world.wait_online(*there)
    world.order("alamosa-battery", -1.5, duration_s=1500)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1260))
    world.order("depot-battery", 0.6, duration_s=1800, start_at=later)


def take(driver: Chrome, world: World) -> None:
    """Takes the pictures."""
    browser = Browser(driver)
    browser.open(world.base, height=840)
    browser.wait_text("tr:has(a[href='#/assets/alamosa-battery']) .doing", "charging")
    browser.wait_text(".overview .open", "Running")
    browser.wait("all but one speak", lambda: browser.text(".chip.stale strong") == "0")
    browser.wait_text(".promises", "goal")
    picture(driver, "overview")
    browser.open(f"{world.base}/#/assets/alamosa-battery", height=1000)
    browser.wait_text(".gaps", "Filled in later")
    browser.wait("a line", lambda: browser.run("return document.querySelector('.chart .line')"))
    browser.wait("loaded", lambda: "Loading" not in browser.text("main"))
    picture(driver, "asset")
    browser.open(world.base, width=900, height=640)
    browser.click("#order")
    browser.type("#order-name", "alamosa-battery")
    browser.type("#order-mw", "-1.2")
    browser.press("\ue007")
    browser.wait_text(".sentence", "would hold")
    picture(driver, "dispatch")
    browser.open(f"{world.base}/#/", width=360, height=740)
    driver.refresh()
    browser.wait_text(".overview .open", "Running")
    picture(driver, "phone")
    browser.open("about:blank")
    browser.open(world.base, width=1600, height=860, dark=True)
    browser.wait_text(".overview .open", "Running")
    picture(driver, "wide-dark")


def picture(driver: Chrome, name: str) -> None:
    path = PICTURES / f"{name}.png"
    driver.save_screenshot(str(path))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
