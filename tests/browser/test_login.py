"""The page asks for a token when the headend does, and lets its user out again."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.support.fleets import fleet
from tests.support.processes.chromium import Browser
from tests.support.processes.world import FAST, World, running

pytestmark = pytest.mark.e2e


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A headend that asks for tokens, and an operator's."""
    file = tmp_path / "tokens.yaml"
    add = ("token", "add", "ann", "--role", "operator", "--tokens", file)
    made = subprocess.run(
        [sys.executable, "-m", "derhead", *add], capture_output=True, check=True, text=True
    )
    with running(tmp_path, fleet(), {**FAST, "tokens": str(file)}) as world:
        world.start_headend()
        yield world, made.stdout.strip()


def test_a_user_logs_in_and_out(chromium: Chrome, guarded: tuple[World, str]) -> None:
    world, token = guarded
    browser = Browser(chromium)
    browser.open(world.base)
    browser.find("dialog.login h2", "Log in")
    browser.find("#token").send_keys("wrong\n")
    browser.find("dialog.login .field-error", "the token is not known")
    field = browser.find("#token")
    field.clear()
    field.send_keys(f"{token}\n")
    browser.find("#link-word", "Live")
    browser.find("#view", "battery")
    assert browser.look("dialog.login") is None
    assert browser.run("return document.cookie") == ""
    browser.find("#who", "ann").click()
    browser.find("dialog.account .logins", "this browser")
    browser.find("dialog.account .primary", "Log out").click()
    browser.find("dialog.login h2", "Log in")
    assert browser.text("#view").count("battery") == 0
    # Every request before the log-in was refused, and the console says so.
    assert all("401" in each for each in browser.complaints())
    browser.leave()
