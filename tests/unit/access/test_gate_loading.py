"""A daemon's gate follows the file of its tokens, whole or not at all."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.access import Principal, open_gate, write_token_file
from derproto.base.runtime import virtual_runtime
from derproto.configuration.problems import ConfigError
from derproto.system.reloading import ReloadOutcome, Reloads
from tests.support.access import ADMIN, VIEWER, make_tokens

NOW = 1_767_000_000_000_000


async def test_the_gate_follows_its_file(tmp_path: Path, autojump_clock: MockClock) -> None:
    path, runtime = tmp_path / "tokens.yaml", virtual_runtime(NOW)
    reloads, told = Reloads(runtime), list[ReloadOutcome]()
    reloads.on_outcome = told.append
    write_token_file(path, make_tokens(NOW))
    gate = await open_gate(path, runtime, reloads)

    def good(token: str) -> bool:
        return isinstance(gate.recognise(f"Bearer {token}".encode(), NOW), Principal)

    assert good(VIEWER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reloads.run)
        write_token_file(path, make_tokens(NOW).with_revoked("viewer", NOW))
        await trio.sleep(5)
        assert not good(VIEWER)
        assert good(ADMIN)
        write_token_file(path, make_tokens(NOW))
        path.chmod(0o644)
        await trio.sleep(5)
        assert "chmod 600" in reloads.failures["tokens"]
        assert not good(VIEWER)
        assert good(ADMIN)
        path.chmod(0o600)
        await trio.sleep(5)
        assert good(VIEWER)
        path.unlink()
        await trio.sleep(5)
        assert "no such file" in reloads.failures["tokens"]
        assert good(VIEWER)
        nursery.cancel_scope.cancel()
    assert [each.changed for each in told if each.changed] == ["revoked viewer", "changed viewer"]


async def test_a_daemon_does_not_start_with_a_wrong_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        await open_gate(tmp_path / "tokens.yaml", virtual_runtime(NOW), None)


async def test_without_a_file_the_gate_is_open() -> None:
    assert (await open_gate(None, virtual_runtime(NOW), None)).is_open
