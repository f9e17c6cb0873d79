"""Probe rows are scored at their URL, and every answer has a meaning."""

import json
from typing import Any

import pytest

from shared.core.serving.probes import ProbeAnswers, ProbeOutcome
from shared.errors import (
    ConfigError,
    OutcomeUnknownError,
    PermanentError,
    RelearnError,
    TransientError,
)
from shared.providers.http.client import Answer
from shared.providers.studio.scoring import score, scoring_url
from tests.unit.samples import BASE
from tests.unit.scripted import ENVIRONMENT, KEY, SAS, Script, answering, call, refuses

URL = f"{BASE}/execute?api-version=2.0&details=true"
TABLE = {"Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["1", "x"], ["2", "y"]]}}}
OBJECTS = {"Inputs": {"input1": [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]}}


def scored(
    answer: Answer | RelearnError, rows: dict[str, Any] = TABLE, key: str = "${SCORE_KEY}"
) -> ProbeAnswers:
    return score(call(Script([answer]), key), URL, rows)


def table(columns: list[str], *values: list[Any], kind: str = "table") -> Answer:
    value = {"ColumnNames": columns, "Values": list(values)}
    return answering({"Results": {"output1": {"type": kind, "value": value}}})


def objects(*values: dict[str, Any]) -> Answer:
    return answering({"Results": {"output1": list(values)}})


GOOD = table(["a", "b", "Scored Labels"], ["1", "x", "0.5"], ["2", "y", "0.25"])


def test_the_rows_are_posted_as_they_are_written() -> None:
    for rows in (TABLE, OBJECTS):
        script = Script([GOOD])
        score(call(script, "${SCORE_KEY}"), URL, rows)
        (sent,) = script.sent
        assert (sent.method, sent.url) == ("POST", URL)
        assert sent.json() == rows
        assert sent.headers == {
            "Authorization": f"Bearer {ENVIRONMENT['SCORE_KEY']}",
            "Content-Type": "application/json",
        }


@pytest.mark.parametrize("rows", [TABLE, OBJECTS], ids=["table", "objects"])
@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        table(["a", "b", "Scored Labels"], ["1", "x", 0.5], ["2", "y", 0.25], kind="DataTable"),
        objects(
            {"a": "1", "b": "x", "Scored Labels": "0.5"},
            {"a": "2", "b": "y", "Scored Labels": "0.25"},
        ),
        objects({"Scored Labels": "0.5"}, {"Scored Labels": "0.25"}),
    ],
    ids=["table", "documented type", "objects", "scores alone"],
)
def test_both_forms_of_rows_are_read_from_both_forms_of_answer(
    rows: dict[str, Any], answer: Answer
) -> None:
    seen = scored(answer, rows)
    assert (seen.seen, seen.columns) == (ProbeOutcome.GOOD, ("Scored Labels",))
    assert seen.rows == (("0.5",), ("0.25",))


def test_class_labels_are_scores_too() -> None:
    answer = table(
        ["a", "Scored Labels", "Scored Probabilities"], ["1", "<=50K", "0.1"], ["2", ">50K", "0.9"]
    )
    seen = scored(answer)
    assert seen.seen is ProbeOutcome.GOOD
    assert seen.rows == (("<=50K", "0.1"), (">50K", "0.9"))


@pytest.mark.parametrize(
    "body",
    [
        [],
        "a text",
        1,
        True,
        {},
        {"Results": None},
        {"Results": []},
        {"Results": {}},
        {"Results": {"output1": None}},
        {"Results": {"output1": []}},
        {"Results": {"output1": {"type": "table"}}},
        {"Results": {"output1": {"type": "table", "value": {"ColumnNames": [], "Values": []}}}},
        {"Results": {"output1": {"value": {"ColumnNames": "a", "Values": "b"}}}},
        {"Results": {"output1": {"value": {"ColumnNames": ["Scored Labels"], "Values": ["0"]}}}},
        {"Results": {"output1": [{"a": "1"}, {"a": "2"}]}},
        {"error": {"code": "InternalError"}},
    ],
)
def test_an_odd_2xx_answer_is_never_a_good_one(body: object) -> None:
    seen = scored(answering(body))
    assert seen.seen in (ProbeOutcome.BROKEN, ProbeOutcome.NO_ANSWER)
    assert seen.detail
    assert not seen.rows


@pytest.mark.parametrize(
    "answer",
    [
        table(["Scored Labels"], ["1"]),
        table(["Scored Labels"], ["1"], ["2"], ["3"]),
        table(["Scored Labels"], ["1"], [""]),
        table(["Scored Labels"], ["1"], [None]),
        table(["Scored Labels"], ["1"], ["Infinity"]),
        table(["Scored Labels"], ["NaN"], ["1"]),
        table(["Scored Labels"], ["1"], ["2", "3"]),
        objects({"Scored Labels": "1"}, {}),
    ],
    ids=["fewer", "more", "empty", "null", "infinite", "nan", "longer", "ragged"],
)
def test_scores_that_are_not_there_make_the_model_broken(answer: Answer) -> None:
    assert scored(answer).seen is ProbeOutcome.BROKEN


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"{", b"\xff\xfe", b"NULL"])
def test_an_answer_that_is_not_json_says_nothing_about_the_model(body: bytes) -> None:
    seen = scored(Answer(200, {"Content-Type": "text/html"}, body))
    assert (seen.seen, seen.detail) == (ProbeOutcome.NO_ANSWER, "the answer is not JSON")


def test_a_byte_order_mark_before_the_answer_does_not_matter() -> None:
    assert scored(Answer(200, {}, b"\xef\xbb\xbf" + GOOD.body)).seen is ProbeOutcome.GOOD


@pytest.mark.parametrize("status", [401, 408, 429, 440, 500, 502, 503, 504, 509, 599])
@pytest.mark.parametrize("body", [b"", b"<html><body>Busy</body></html>", b'{"error": []}'])
def test_a_busy_service_says_nothing_about_the_model(status: int, body: bytes) -> None:
    seen = scored(Answer(status, {}, body))
    assert seen.seen is ProbeOutcome.NO_ANSWER
    assert f"HTTP {status}" in seen.detail
    assert "<" not in seen.detail


@pytest.mark.parametrize("status", [301, 302, 307, 308, 403, 404, 405])
def test_an_answer_about_the_url_or_key_is_never_held_against_the_model(status: int) -> None:
    answer = Answer(status, {"Location": "https://elsewhere.example/"}, b"<html>Moved</html>")
    assert scored(answer).seen is ProbeOutcome.REFUSED


@pytest.mark.parametrize(
    "code",
    [
        "InvalidWebServiceResources",
        "ModelPackageFormatError",
        "ModuleExecutionFailed",
        "ModuleLoadFailed",
        "OutputConversionFailed",
        "ResourceDownload",
        "ResourceLoadFailed",
        "WebServicePackageInternalError",
    ],
)
def test_a_500_that_names_the_model_is_the_models_fault_wherever_it_is_named(code: str) -> None:
    assert scored(refuses(500, code)).seen is ProbeOutcome.BROKEN
    assert scored(refuses(500, "InternalError", "Another", code)).seen is ProbeOutcome.BROKEN


def test_a_model_of_other_columns_is_broken_with_the_columns_named() -> None:
    words = "Data must contain all features used during training, missing feature(s): 'hello'."
    seen = scored(refuses(400, "LibraryExecutionError", message=words))
    assert seen.seen is ProbeOutcome.BROKEN
    assert "'hello'" in seen.detail
    assert "correct the data or verify.rows" in seen.detail


@pytest.mark.parametrize("failure", [TransientError("refused"), OutcomeUnknownError("lost")])
def test_a_call_that_fails_on_its_way_is_no_answer(failure: RelearnError) -> None:
    seen = scored(failure)
    assert (seen.seen, seen.detail) == (ProbeOutcome.NO_ANSWER, str(failure))


def test_an_error_that_repeating_cannot_help_is_raised() -> None:
    with pytest.raises(PermanentError, match="certificate"):
        scored(PermanentError("POST: the service's certificate is not trusted"))
    with pytest.raises(ConfigError, match="EMPTY"):
        scored(GOOD, key="${EMPTY}")


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_neither_keys_nor_signatures_are_in_a_detail(status: int) -> None:
    url = f"https://account.blob.core.windows.net/models/x.ilearner{SAS}"
    words = f"Bearer {KEY} may not read {url}; AccountKey={KEY}; key {KEY}"
    answers = [
        refuses(status, "BadArgument", message=words),
        answering({"error": {"code": KEY, "details": [{"code": "X", "message": words}]}}, status),
        Answer(status, {}, words.encode()),
        Answer(status, {}, f"<html><p title='{KEY}'>{words}</p></html>".encode()),
    ]
    for answer in answers:
        seen = scored(answer, key="${TRAINING_KEY}")
        assert KEY not in seen.detail
        assert "c2lnbmF0dXJl" not in seen.detail
        assert KEY not in seen.model_dump_json()


def test_a_detail_is_short_however_long_the_answer() -> None:
    assert len(scored(Answer(502, {}, b"word " * 100_000)).detail) < 1000
    assert len(scored(refuses(400, "BadArgument", message="x" * 100_000)).detail) < 3000


def test_every_answer_says_which_rows_it_is_to_and_order_of_members_is_no_difference() -> None:
    turned = json.loads(json.dumps({"GlobalParameters": {}, **TABLE}))
    first = {**TABLE, "GlobalParameters": {}}
    assert scored(GOOD, turned).request == scored(GOOD, first).request
    seen = [scored(answer, TABLE) for answer in (GOOD, Answer(503, {}, b""), Answer(404, {}, b""))]
    assert len({one.request for one in seen}) == 1
    assert scored(GOOD, OBJECTS).request != seen[0].request


@pytest.mark.parametrize("base", [BASE, f"{BASE}/", f" {BASE}/ \n"])
def test_the_scoring_url_is_the_base_and_asks_for_the_form_of_the_rows(base: str) -> None:
    assert scoring_url(base, TABLE) == f"{BASE}/execute?api-version=2.0&details=true"
    swagger = f"{BASE}/execute?api-version=2.0&details=true&format=swagger"
    assert scoring_url(base, OBJECTS) == swagger


@pytest.mark.parametrize("rows", [{}, {"Inputs": None}, {"Inputs": {}}, {"Inputs": []}])
def test_odd_rows_have_a_scoring_url_all_the_same(rows: dict[str, Any]) -> None:
    assert scoring_url(BASE, rows) == f"{BASE}/execute?api-version=2.0&details=true"
