"""Builds what a run needs beyond the repository, once, into ``var/bench``."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme
from errors import Failed, Unavailable
from machine import Cores

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROTO = ROOT / "proto/der/v1/headend.proto"

FASTAPI = ("fastapi", "uvicorn[standard]")
GOPATH = Path("/usr/share/gocode")
"""The folder of Debian's packages of Go sources."""

BUILD_S = 300.0
"""Most time for a compiler or pip, seconds."""


@dataclass(frozen=True)
class Workshop:
    """Tools and folders of a run."""

    cores: Cores
    tell: Callable[[str], None]
    folder: Path = ROOT / "var/bench"

    @property
    def logs(self) -> Path:
        """The folder of the error output of every process."""
        return _made(self.folder / "logs")

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on the project's own disk, gone after the block."""
        with tempfile.TemporaryDirectory(dir=_made(self.folder), prefix="run-") as name:
            yield Path(name)

    def agents(self, *, tls: bool = False) -> Path:
        """Builds the load generator, one that speaks TLS or one that needs no OpenSSL.

        Raises: Unavailable without a C compiler, or without OpenSSL's headers.
        """
        sources = sorted((HERE / "agents").glob("*.[ch]"))
        program = self.folder / ("agents-tls" if tls else "agents")
        if _is_newer(program, sources):
            return program
        compiler = os.environ.get("CC") or shutil.which("cc")
        if compiler is None:
            raise Unavailable("no C compiler: apt-get install gcc libc6-dev")
        units = [path for path in sources if path.suffix == ".c"]
        flags = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra")
        command = (compiler, *flags, "-o", program, *units)
        if not tls:
            self._build(program, command)
            return program
        try:
            self._build(program, (*command, "-DWITH_TLS", "-lssl", "-lcrypto"))
        except Failed as error:
            advice = "apt-get install libssl-dev"
            raise Unavailable(f"no load generator over TLS: {advice}: {error}") from error
        return program

    def python_messages(self) -> Path:
        """The folder with google.protobuf's classes of the contract, ``headend_pb2``."""
        folder = _made(self.folder / "proto")
        target = folder / "headend_pb2.py"
        if not _is_newer(target, [PROTO]):
            protoc = (sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}")
            self._build(target, (*protoc, f"--python_out={folder}", PROTO))
        return folder

    def go_peer(self) -> Path:
        """Builds the server on grpc-go. Raises: Unavailable without Go or grpc-go's sources."""
        go = shutil.which("go")
        if go is None or not (GOPATH / "src/google.golang.org/grpc").is_dir():
            raise Unavailable("not installed: apt-get install golang-go golang-google-grpc-dev")
        program, source = self.folder / "peer_grpc_go", HERE / "peer_grpc_go/main.go"
        if _is_newer(program, [source, PROTO]):
            return program
        work = self.folder / "go"
        package = _made(work / "src/derv1")
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOPATH": f"{work}:{GOPATH}",
            "GOCACHE": str(work / "cache"),
            "PATH": f"{work}:{os.environ['PATH']}",
        }
        plugin = work / "protoc-gen-go"
        generator = "github.com/golang/protobuf/protoc-gen-go"
        self._build(plugin, (go, "build", "-o", plugin, generator), environment)
        # Debian's plugin is older than proto3's `optional`; on the wire it is the same.
        copy = work / "headend.proto"
        copy.write_text(PROTO.read_text().replace("  optional ", "  "))
        protoc = (sys.executable, "-m", "grpc_tools.protoc", f"-I{work}")
        self._build(
            package / "headend.pb.go",
            (*protoc, f"--go_out=plugins=grpc:{package}", copy),
            environment,
        )
        self._build(program, (go, "build", "-o", program, source), environment)
        return program

    def fastapi_python(self) -> Path:
        """An interpreter that has FastAPI and uvicorn, in an environment of its own.

        Raises: Unavailable if pip cannot get them.
        """
        venv = self.folder / "venv"
        python, stamp = venv / "bin/python", venv / ".complete"
        if not stamp.exists():
            self._build(python, (sys.executable, "-m", "venv", "--clear", venv))
            pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            try:
                self._build(stamp, (*pip, *FASTAPI))
            except Failed as error:
                raise Unavailable(f"pip cannot install {' and '.join(FASTAPI)}: {error}") from error
            stamp.touch()
        return python

    def certificates(self) -> tuple[Path, Path, Path]:
        """Authority, the server's certificate and its key, for 127.0.0.1; made at every call."""
        folder = _made(self.folder / "tls")
        authority, certificate, key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
        ca = trustme.CA()
        server = ca.issue_cert("127.0.0.1")
        ca.cert_pem.write_to_path(str(authority))
        server.cert_chain_pems[0].write_to_path(str(certificate))
        server.private_key_pem.write_to_path(str(key))
        return authority, certificate, key

    def _build(
        self,
        target: Path,
        command: Iterable[object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Runs a command that makes ``target``. Raises: Failed with its last words."""
        self.tell(f"building {target.name}")
        _made(target.parent)
        words = [str(word) for word in command]
        try:
            built = subprocess.run(
                words, capture_output=True, text=True, timeout=BUILD_S, env=environment
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(f"cannot build {target.name}: {error}") from error
        if built.returncode != 0:
            last = (built.stderr or built.stdout).strip().splitlines()[-3:]
            raise Failed(f"cannot build {target.name}: {' / '.join(last)}")


def find_program(program: str, package: str) -> str:
    """The path of an installed program. Raises: Unavailable, naming Debian's package."""
    # Debian keeps servers in sbin, which is not on everyone's path.
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Unavailable(f"{program} is not installed: apt-get install {package}")
    return found


def _is_newer(target: Path, sources: Iterable[Path]) -> bool:
    return target.exists() and all(
        target.stat().st_mtime >= source.stat().st_mtime for source in sources
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
