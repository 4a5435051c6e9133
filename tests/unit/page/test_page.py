"""The page's files: their headers, and the rules that they follow."""

import re
from pathlib import Path

import pytest
from quart import Response

import derhead.page
from derhead.api import create_app
from derhead.page.page_endpoints import read_files
from tests.support.api.fake_headend import FakeView

STATIC = Path(derhead.page.__file__).parent / "static"
SCRIPTS = sorted((STATIC / "js").glob("*.js"))


async def ask(path: str, **headers: str) -> Response:
    """A request for a file of the page."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: Response = await create_app(FakeView()).test_client().get(path, headers=named)
    return answer


async def test_the_page_is_served_under_a_policy_that_allows_nothing_else() -> None:
    answer = await ask("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/page/js/main.js", "text/javascript; charset=utf-8"),
        ("/page/css/base.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ],
)
async def test_files_have_their_content_types(path: str, content_type: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert answer.headers["cache-control"] == "no-cache"
    assert await answer.get_data() == (STATIC / path.removeprefix("/page/")).read_bytes()


async def test_an_unchanged_file_gets_304() -> None:
    tag = (await ask("/page/js/main.js")).headers["etag"]
    again = await ask("/page/js/main.js", If_None_Match=tag)
    assert again.status_code == 304
    assert await again.get_data() == b""
    assert again.headers["etag"] == tag
    other = await ask("/page/js/main.js", If_None_Match='"another"')
    assert other.status_code == 200


@pytest.mark.parametrize("path", ["/page/", "/page/none.js", "/page/../files.py", "/page/js/"])
async def test_no_other_file_is_served(path: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_file_has_a_served_type() -> None:
    on_disk = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    assert set(read_files()) == on_disk


def test_the_page_names_files_that_exist() -> None:
    named = re.findall(r'(?:src|href)="(/[^"]*)"', (STATIC / "index.html").read_text())
    assert {"/page/js/main.js", "/page/css/base.css"} <= set(named)
    assert {name.removeprefix("/page/") for name in named} <= set(read_files())


def imports(script: Path) -> set[str]:
    return set(re.findall(r'^import .*?"\./([\w.]+)";$', script.read_text(), re.MULTILINE | re.S))


def test_every_script_is_used_and_every_import_is_there() -> None:
    names = {script.name for script in SCRIPTS}
    imported = {name for script in SCRIPTS for name in imports(script)}
    assert imported <= names
    assert names - imported == {"main.js", "theme.js"}
    early = re.findall(
        r'"modulepreload" href="/page/js/(.*?)"', (STATIC / "index.html").read_text()
    )
    assert sorted(early) == sorted(imported)


@pytest.mark.parametrize("path", sorted(read_files()))
def test_no_file_names_another_host_or_parses_markup(path: str) -> None:
    text = (STATIC / path).read_text()
    assert re.findall(r"https?://(?!www\.w3\.org/)", text) == []
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text) == []
    )


def test_every_script_begins_with_its_purpose() -> None:
    assert [
        script.name for script in SCRIPTS if not script.read_text().startswith("/**\n * ")
    ] == []


ACTS = re.compile(
    r"\b(document|fetch|localStorage|setTimeout|setInterval|Date\.now|Math\.random"
    r"|requestAnimationFrame|EventSource|new Date\(\))\b"
)


def is_pure(text: str) -> bool:
    return ": pure." in text.partition("*/")[0]


def code_of(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


def test_pure_scripts_touch_neither_page_nor_clock_and_import_only_pure_ones() -> None:
    texts = {script.name: script.read_text() for script in SCRIPTS}
    pure = {name for name, text in texts.items() if is_pure(text)}
    assert {"format.js", "fleet.js", "link.js", "order.js", "chartmath.js"} <= pure
    assert {name: found for name in pure if (found := ACTS.findall(code_of(texts[name])))} == {}
    assert {n: more for n in pure if (more := imports(STATIC / "js" / n) - pure)} == {}
    # The rule finds what it looks for.
    assert ACTS.findall(code_of(texts["live.js"]))
