"""The HTTP API against its own document: generated requests, no 5xx, answers as described.

Long form: RELEARN_API_EXAMPLES=1000 asks that many times for each operation and kind of request.
"""

import json
import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.test import Client

from functions.process import handed_in
from shared.operations.history import RunFilter
from tests.functions.api_host import (
    DOCUMENT,
    SCHEMA,
    UNROUTED,
    Host,
    Setting,
    filled,
    two_pipelines,
)
from tests.functions.calls import Api
from tests.functions.conftest import app_over, secrets_of

Case = AnyCase[Any]

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

EXAMPLES: Final = int(os.environ.get("RELEARN_API_EXAMPLES", "10"))
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS: Final = sorted(
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
)


def has_input(method: str, path: str) -> bool:
    shown = DOCUMENT["paths"][path][method.lower()]
    # Any text fits as a part of a path or as a header: only a query or body can be unfitting.
    return "requestBody" in shown or any(one["in"] == "query" for one in shown["parameters"])


#: The operations for which a request can be unfitting.
UNFITTING: Final = [operation for operation in OPERATIONS if has_input(*operation)]


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    world = two_pipelines()
    built = app_over(world)
    with handed_in(built):
        runs = filled(world)
        ledger = world.context.ledger
        stored = [ledger.runs.read(run_id) for run_id in runs.values()]
        page = built.history.page(RunFilter(), 1, None)
        assert page.cursor is not None
        etags = [f'"{one.etag}"' for one in stored if one is not None]
        etags += [f'"{built.pipelines.status(name).version}"' for name in ("sample", "customers")]
        etags.append(str(Api().endpoint().headers["ETag"]))
        rows = world.documents.rows.copy()
        yield Setting(world, Host(), rows, runs, etags, page.cursor)


def requests(
    setting: Setting, method: str, path: str, mode: GenerationMode
) -> st.SearchStrategy[Case]:
    """Return requests for an operation, half of the time about something that is there."""
    # Made once: to make and check a strategy takes longer than to draw from it.
    drawn = SCHEMA[path][method].as_strategy(generation_mode=mode)
    return _with_known(drawn, setting, method, path)


@st.composite
def _with_known(
    draw: st.DrawFn, drawn: st.SearchStrategy[Case], setting: Setting, method: str, path: str
) -> Case:
    case = draw(drawn)
    for where in case.path_parameters or {}:
        if draw(st.booleans()):
            case.path_parameters[where] = draw(setting.known(where))
    described = DOCUMENT["paths"][path][method.lower()]["parameters"]
    for one in described:
        name = one["name"]
        known = ("pipeline", "parent", "key", "cursor", "data", "due")
        if one["in"] == "query" and name in known:
            if draw(st.booleans()):
                case.query[name] = draw(setting.known(name))
        elif name == "If-Match" and draw(st.booleans()):
            tags = st.sampled_from([*setting.etags, "*", ", ", 'W/"v1", "v2"'])
            case.headers[name] = draw(tags)
    if draw(st.integers(0, 3)) == 0:
        who = draw(st.sampled_from(["ada", "é" * 300]))
        case.headers["X-MS-CLIENT-PRINCIPAL-NAME"] = who
    return case


def ask(setting: Setting, case: Case, checks: list[Any]) -> None:
    """Send a request and hold the answer against the document."""
    answer = case.call(base_url="http://localhost/api", app=setting.host)
    if UNROUTED.casefold() in {name.casefold() for name in answer.headers}:
        return  # the host itself finds no function for it
    case.validate_response(answer, checks=checks)
    text = answer.content.decode()
    assert not [secret for secret in secrets_of(setting.world) if secret in text]


def usual(examples: int) -> settings:
    """Return settings under which the same requests are made each time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_the_document_says_and_no_server_error(
    setting: Setting, method: str, path: str
) -> None:
    @usual(EXAMPLES)
    @given(case=requests(setting, method, path, GenerationMode.POSITIVE))
    def asked(case: Case) -> None:
        setting.reset()
        ask(setting, case, CHECKS)

    asked()


@pytest.mark.parametrize(("method", "path"), UNFITTING)
def test_what_does_not_fit_is_answered_as_the_document_says_and_what_it_does_not_allow_refused(
    setting: Setting, method: str, path: str
) -> None:
    places = {"pipeline": "sample", "endpoint": "production", "run_id": setting.runs["training"]}
    allowed = properties(DOCUMENT["paths"][path][method.lower()])

    @usual(EXAMPLES)
    @given(case=requests(setting, method, path, GenerationMode.NEGATIVE))
    def asked(case: Case) -> None:
        setting.reset()
        ask(setting, case, CHECKS)
        if isinstance(case.body, dict) and set(case.body) - allowed:
            setting.reset()
            for where in case.path_parameters or {}:
                case.path_parameters[where] = places[where]
            answer = case.call(base_url="http://localhost/api", app=setting.host)
            assert 400 <= answer.status_code < 500, answer.content

    asked()


def test_changes_one_after_the_other_never_end_in_a_server_error(setting: Setting) -> None:
    changes = [operation for operation in OPERATIONS if operation[0] == "POST"]
    reads = [operation for operation in OPERATIONS if operation[0] == "GET"]
    fitting = GenerationMode.POSITIVE
    one = st.one_of(*(requests(setting, *which, fitting) for which in (*changes, *reads)))

    @usual(EXAMPLES)
    @given(cases=st.lists(one, min_size=2, max_size=6))
    def asked(cases: list[Case]) -> None:
        setting.reset()
        for case in cases:
            ask(setting, case, [not_a_server_error])

    asked()


def test_generated_requests_meet_what_is_there_and_not_only_refusals(setting: Setting) -> None:
    host = setting.host = Host()
    for method, path in (
        ("POST", "/runs/{run_id}/approve"),
        ("POST", "/runs/{run_id}/cancel"),
        ("GET", "/runs/{run_id}"),
    ):

        @usual(40)
        @given(case=requests(setting, method, path, GenerationMode.POSITIVE))
        def asked(case: Case) -> None:
            setting.reset()
            case.call(base_url="http://localhost/api", app=setting.host)

        asked()
    assert {200, 202, 404, 409} <= set(host.statuses), host.statuses


def properties(described: dict[str, Any]) -> set[str]:
    """Return what a body may hold."""
    if "requestBody" not in described:
        return set()
    reference = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return set(DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]["properties"])


def test_the_app_answers_with_the_document_itself(setting: Setting) -> None:
    shown = Client(setting.host).get("/api/openapi.json")
    assert (shown.status_code, shown.mimetype) == (200, "application/json")
    assert json.loads(shown.get_data()) == DOCUMENT
