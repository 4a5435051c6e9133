"""The description is complete: every route, every member, every kind of problem."""

import json
import re
from pathlib import Path

import pytest

from derhead.api import create_app
from derhead.api.answering.problem_kinds import ProblemKinds
from derhead.api.openapi import OPERATIONS, build, docs_page, problems_page
from derhead.api.openapi.kept import EXAMPLES
from derhead.api.routes.event_query import PARAMETERS as LISTENING_PARAMETERS
from derhead.dispatch import State
from derhead.dispatch.orders.parsing import MEMBERS
from derhead.shapes.query_parameters import _PARAMETERS as QUERY_PARAMETERS
from derproto.configuration.fleet import AssetKind
from tests.support.api.description import hold
from tests.support.api.fake_headend import FakeView
from tests.unit.api.asking import ask

SPEC = json.loads(json.dumps(build("1.2.3")))
SCHEMAS = SPEC["components"]["schemas"]
DOCS = Path(__file__).parents[3] / "docs"


def test_every_route_is_described_and_every_description_has_a_route() -> None:
    routes = {
        (method.lower(), re.sub(r"<(\w+:)?(\w+)>", r"{\2}", str(rule.rule)))
        for rule in create_app(FakeView()).url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    # The page is for browsers.
    routes -= {("get", "/"), ("get", "/page/{name}")}
    assert routes == {(operation.method, operation.path) for operation in OPERATIONS}


def test_every_parameter_of_a_path_is_described() -> None:
    for operation in OPERATIONS:
        named = [each.name for each in operation.parameters if each.place == "path"]
        assert named == re.findall(r"\{(\w+)\}", operation.path), operation.id


def test_every_described_query_parameter_is_read() -> None:
    named = {
        each.name
        for operation in OPERATIONS
        for each in operation.parameters
        if each.place == "query"
    }
    assert named <= {*QUERY_PARAMETERS, *LISTENING_PARAMETERS}


def test_operation_ids_are_unique() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    assert {operation.tag for operation in OPERATIONS} == {tag["name"] for tag in SPEC["tags"]}


def test_enums_have_the_words_of_the_code() -> None:
    state = SCHEMAS["State"]["properties"]["state"]["enum"]
    assert sorted(state) == sorted(each.value for each in State)
    kind = SCHEMAS["Asset"]["properties"]["kind"]["enum"]
    assert sorted(kind) == sorted(each.value for each in AssetKind)


def test_an_order_describes_the_members_that_are_read() -> None:
    order = SCHEMAS["Order"]
    assert sorted(order["properties"]) == sorted(MEMBERS)
    assert order["required"] == ["mw"]


def test_every_reference_resolves() -> None:
    text = json.dumps(SPEC)
    for kind, name in re.findall(r'"#/components/(\w+)/([\w-]+)"', text):
        assert name in SPEC["components"][kind]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/problems", "/docs/style.css"])
async def test_the_description_is_served(path: str) -> None:
    answer = await ask(FakeView(), path)
    assert answer.status == 200
    assert len(answer.text) > 1000


async def test_pages_load_nothing_from_other_hosts() -> None:
    for page in (docs_page("1"), problems_page()):
        assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
        assert "<script" not in page
    answer = await ask(FakeView(), "/docs")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_every_link_of_the_pages_leads_somewhere() -> None:
    page = docs_page("1")
    for target in re.findall(r"href='#([\w-]+)'", page):
        assert f"id='{target}'" in page


@pytest.mark.parametrize("problem", ProblemKinds)
def test_every_kind_of_problem_has_a_heading_on_its_page(problem: ProblemKinds) -> None:
    kind = problem.value
    assert kind.type == f"/docs/problems#{kind.slug}"
    assert f'<section id="{kind.slug}">' in problems_page()
    text = (DOCS / "problems.md").read_text(encoding="utf-8")
    assert f"## {kind.slug}\n" in text
    assert kind.meaning in text
    assert kind.remedy in text


def test_a_member_that_is_not_described_is_noticed() -> None:
    asset = {"status": "ok", "not_ready": [], "extra": 1}
    with pytest.raises(Exception, match="extra"):
        hold("GET", "/healthz", 200, "application/json", json.dumps(asset))
    with pytest.raises(AssertionError, match="not described"):
        hold("GET", "/healthz", 418, "application/json", "{}")


WITHOUT_EXAMPLE = {
    "showOpenapi 200",
    "showDocs 200 text/html",
    "showProblems 200 text/html",
    "showDocsStyle 200 text/css",
    "tellHealth 503",
    "tellReadiness 503",
    "withdrawDispatch 200",
    "tellMetrics 200 application/openmetrics-text",
    *(f"{each} 200" for each in ("logIn", "showCaller", "logOut", "listLogins", "endLogin")),
}
"""Answers that are long, or that a healthy headend without tokens never gives."""


def described() -> dict[str, tuple[str, str, int, str]]:
    """The possible keys of examples: method, path, status and media type."""
    found: dict[str, tuple[str, str, int, str]] = {}
    for operation in OPERATIONS:
        for status, answer in operation.answers.items():
            for media in answer.content:
                key = f"{operation.id} {status}"
                key += "" if media == "application/json" else f" {media}"
                path = re.sub(r"\{\w+\}", "x", operation.path)
                found[key] = (operation.method, path, status, media)
    return found


def test_every_answer_has_an_example_that_a_headend_gave() -> None:
    assert set(described()) - set(EXAMPLES) <= WITHOUT_EXAMPLE
    for key, examples in EXAMPLES.items():
        operation_id, status, *_ = key.split()
        assert examples
        for example in examples.values():
            assert isinstance(example, dict)
            value = example["value"]
            text = value if isinstance(value, str) else json.dumps(value)
            if operation_id == "problem":
                hold("get", "/nothing", 404, "application/problem+json", text)
            elif status != "request":
                method, path, code, media = described()[key]
                hold(method, path, code, media, text)
