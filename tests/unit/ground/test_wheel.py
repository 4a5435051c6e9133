"""What is shipped: sdist, wheel and pinned versions, none of which names a place on a machine."""

import configparser
import email
import email.message
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import derproto
from tests.support.repository import ROOT, tracked_files

BUILD = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked. It is built apart from the checkout, from the files that git keeps."""
    folder = tmp_path_factory.mktemp("sdist")
    source = folder / "source"
    for path in tracked_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    subprocess.run(
        [sys.executable, "-c", BUILD, folder], cwd=source, check=True, capture_output=True
    )
    (built,) = folder.glob("*.tar.gz")
    with tarfile.open(built) as opened:
        opened.extractall(folder, filter="data")
    return folder / built.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that the sdist builds."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, sdist),
        ],
        check=True,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_every_tracked_file_is_in_the_sdist(sdist: Path) -> None:
    missing = {path.as_posix() for path in tracked_files() if not (sdist / path).is_file()}
    assert missing == set()


def test_the_sdist_holds_no_link(sdist: Path) -> None:
    assert [path for path in sdist.rglob("*") if path.is_symlink()] == []


def test_top_level_names(wheel: zipfile.ZipFile) -> None:
    names = {name.split("/")[0] for name in wheel.namelist()}
    packages = {name for name in names if not name.endswith(".dist-info")}
    assert packages == {"derhead", "deragent", "launcher", "derproto"}
    assert len(names) == 5


def test_every_tracked_file_of_the_packages_is_in_it(wheel: zipfile.ZipFile) -> None:
    tracked = {path.as_posix().removeprefix("proto/") for path in tracked_files()}
    ours = ("derhead/", "deragent/", "launcher/", "derproto/")
    missing = {name for name in tracked if name.startswith(ours)} - set(wheel.namelist())
    assert missing == set()


@pytest.mark.parametrize(
    "name",
    [
        "derhead/py.typed",
        "deragent/py.typed",
        "launcher/py.typed",
        "derproto/py.typed",
        "derhead/history/file/migrations/0001_journal.sql",
        "deragent/drivers/simulation/data/alamosa-2016-01-01.csv",
        "derproto/der/v1/__init__.py",
        "derproto/message_pool.py",
        "derproto/headend.proto",
        "launcher/drills/plans/poland.yaml",
    ],
)
def test_the_wheel_holds_every_needed_file(wheel: zipfile.ZipFile, name: str) -> None:
    assert name in wheel.namelist()


def test_the_three_commands(wheel: zipfile.ZipFile) -> None:
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert dict(points["console_scripts"]) == {
        "derhead": "derhead.__main__:main",
        "deragent": "deragent.__main__:main",
        "derlaunch": "launcher.cli:main",
    }


def test_the_wheel_carries_the_contract(wheel: zipfile.ZipFile) -> None:
    contract = (ROOT / "proto/der/v1/headend.proto").read_bytes()
    assert wheel.read("derproto/headend.proto") == contract


# --- metadata -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_the_version_has_one_source(metadata: email.message.Message) -> None:
    assert metadata["Version"] == derproto.__version__ == importlib.metadata.version("derhead")
    written = {
        path.as_posix()
        for path in tracked_files()
        if path.suffix in {".py", ".toml"}
        and path.parts[0] != "examples"
        and re.search(r"^\s*(__version__|version) = \"", (ROOT / path).read_text(), re.MULTILINE)
    }
    assert written == {"proto/derproto/__init__.py"}


def test_the_metadata_say_what_a_registry_shows(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "derhead"
    assert metadata["Summary"]
    assert metadata["Keywords"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Requires-Python"] == ">=3.11"
    for version in ("3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in metadata.get_all("Classifier", [])


def test_constraints_pin_versions_and_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 40
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert [line for line in lines if "://" in line] == []


HOME = re.compile(r"(?<![\w.~/-])/(home|Users)/\w|(?<![\w.~/-])/root/")


def of_a_machine(text: str) -> bool:
    """Whether a text names a place that exists on somebody's machine only."""
    checkout = re.compile(rf"(?<![\w.~/-]){re.escape(str(ROOT))}(?![\w-])")
    return bool(HOME.search(text) or checkout.search(text))


def test_no_file_names_a_place_on_a_machine() -> None:
    own = Path(__file__).relative_to(ROOT)
    texts = {path: (ROOT / path).read_text(errors="replace") for path in tracked_files()}
    assert [str(path) for path, text in texts.items() if path != own and of_a_machine(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /home/jo/derhead", True),
        ("cd /root/x", True),
        (f"--data {ROOT}/var", True),
        ("data in /var/lib/derhead, flags in /etc/derhead", False),
        ("https://example.org/home/page", False),
    ],
)
def test_the_rule_on_places_sees(text: str, found: bool) -> None:
    assert of_a_machine(text) is found
