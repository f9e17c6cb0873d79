"""Probe rows at an endpoint: the request, the meaning of each status, and answers of any form."""

import json
import logging
import math
from dataclasses import replace
from typing import Any

import pytest

from shared.core.serving.probes import ProbeOutcome
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.providers.azureml.json_answers import table_of
from shared.providers.http.client import Answer
from tests.unit.providers.azureml.endpoint_service import (
    KEY,
    ROWS,
    SCORE,
    Bench,
    FakeService,
    endpoint,
)
from tests.unit.providers.azureml.service import refuses, says, vector

GOOD, BROKEN = ProbeOutcome.GOOD, ProbeOutcome.BROKEN
SILENT, REFUSED = ProbeOutcome.NO_ANSWER, ProbeOutcome.REFUSED


def answers(status: int, body: object = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return says(body, status, named)


def test_the_rows_are_sent_as_they_are_with_the_key_and_an_id() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answers(200, [0.5, 1]))
    seen = bench.service.score(ROWS)
    sent = bench.http.sent[-1]
    assert (sent.url, sent.json()) == (SCORE, ROWS)
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    own = sent.headers["x-ms-client-request-id"]
    assert len(own) == 40
    assert own.replace("-", "").isalnum()
    assert (seen.seen, seen.rows, seen.answered_by) == (GOOD, (("0.5",), ("1",)), "")


def test_a_candidate_is_asked_by_name_and_the_answer_says_who_answered() -> None:
    bench = Bench()
    recorded = vector("pub_scoring_answer_headers_200")["response"]
    bench.http.script("POST", "/score", says(recorded["body"], 200, recorded["headers"]))
    candidate = bench.candidate()
    seen = bench.service.score(ROWS, candidate)
    assert bench.http.sent[-1].headers["azureml-model-deployment"] == candidate.name
    assert (seen.answered_by, seen.rows) == ("default", (("212648.68",),))


def test_the_key_is_read_once_and_again_where_it_is_refused() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answers(200, [1]))
    for _ in range(3):
        bench.service.score(ROWS)
    assert bench.http.calls.count("POST listKeys") == 1
    bench.http.script("POST", "/score", answers(401), answers(200, [1]))
    assert bench.service.score(ROWS).seen is GOOD
    assert bench.http.calls.count("POST listKeys") == 2
    bench.http.sent.clear()
    bench.http.script("POST", "/score", answers(401))
    assert bench.service.score(ROWS).seen is SILENT
    assert len([one for one in bench.http.sent if one.url == SCORE]) == 2


def test_an_endpoint_with_tokens_is_asked_for_one() -> None:
    bench = Bench()
    bench.http.put(endpoint(authMode="AMLToken"))
    token = vector("rec_online_endpoint_token_200")["response"]["body"]
    bench.http.script("POST", "/token", says({**token, "accessToken": "a-token-0123456789"}))
    bench.http.script("POST", "/score", answers(200, [1]))
    bench.service.score(ROWS)
    assert bench.http.sent[-1].headers["Authorization"] == "Bearer a-token-0123456789"
    assert "a-token-0123456789" not in bench.redactor.text("a-token-0123456789 is it")


def test_an_endpoint_with_entra_tokens_takes_that_of_the_app() -> None:
    bench = Bench()
    bench.http.put(endpoint(authMode="aadToken"))
    bench.http.script("POST", "/score", answers(200, [1]))
    bench.service.score(ROWS)
    sent = bench.http.sent[-1].headers["Authorization"]
    assert sent == "Bearer token for https://ml.azure.com/.default"
    bench.http.sent.clear()
    bench.http.script("POST", "/score", answers(403))
    seen = bench.service.score(ROWS)
    assert seen.seen is SILENT  # a new role shows late
    assert "score/action" in seen.detail


def test_keys_are_known_to_the_redactor_and_in_no_answer() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answers(424, {"error": f"bad key {KEY}"}))
    seen = bench.service.score(ROWS)
    assert KEY not in seen.model_dump_json()
    bench.http.script("POST", "/score", answers(200, {KEY: KEY, "x": f"a{KEY}b"}))
    assert KEY not in bench.service.score(ROWS).model_dump_json()
    long = "x" * 90 + KEY + "y" * 50
    bench.http.script("POST", "/score", answers(200, [long]))
    assert KEY[:8] not in bench.service.score(ROWS).model_dump_json()


def test_a_key_that_cannot_be_read_is_no_answer_with_the_advice() -> None:
    bench = Bench()
    bench.http.script("POST", "/listKeys", refuses(403, "AuthorizationFailed"))
    seen = bench.service.score(ROWS)
    assert seen.seen is SILENT
    assert "AzureML Data Scientist" in seen.detail
    for body in ({}, {"primaryKey": None}, {"primaryKey": 7}):
        bench.http.script("POST", "/listKeys", says(body))
        assert "holds no primaryKey" in bench.service.score(ROWS).detail


@pytest.mark.parametrize(
    ("answer", "outcome", "says_"),
    [
        (answers(404), SILENT, "HTTP 404"),
        (answers(408), BROKEN, "request_timeout_ms"),
        (answers(424, "x", ms_azureml_model_error_statuscode="500"), BROKEN, "answered 500"),
        (answers(424, "x", ms_azureml_model_error_statuscode="400"), BROKEN, "verify.rows"),
        (answers(424, "x", ms_azureml_model_error_statuscode="422"), BROKEN, "verify.rows"),
        (answers(424, "x", ms_azureml_model_error_statuscode="429"), SILENT, "429"),
        (answers(424, "no such column"), BROKEN, "no such column"),
        (answers(429), SILENT, "HTTP 429"),
        (answers(500), SILENT, "HTTP 500"),
        (answers(502, "<html>"), SILENT, "HTTP 502"),
        (answers(503), SILENT, "HTTP 503"),
        (answers(400, "bad"), REFUSED, "verify.rows"),
        (answers(413), REFUSED, "verify.rows"),
        (answers(302), REFUSED, "HTTP 302"),
        (OutcomeUnknownError("the answer was lost"), SILENT, "lost"),
        (TransientError("not reached"), SILENT, "not reached"),
        (PermanentError("the certificate is not trusted"), REFUSED, "certificate"),
        (answers(200, [1], x_ms_run_function_failed="True"), BROKEN, "scoring script failed"),
        (Answer(200, {}, b""), SILENT, "not JSON"),
        (Answer(200, {}, b"[0.1, 0."), SILENT, "not JSON"),
        (Answer(200, {}, b"<html></html>"), SILENT, "not JSON"),
        (Answer(200, {}, b"\xff\xfe"), SILENT, "not JSON"),
        (Answer(200, {}, b"[" * 100_000), SILENT, "not JSON"),
        (Answer(200, {}, b"[NaN]"), BROKEN, "not a finite number"),
        (Answer(200, {}, b'{"a":' * 900 + b"1" + b"}" * 900), GOOD, ""),
        (answers(200, []), BROKEN, "empty"),
        (answers(200, {}), BROKEN, "empty"),
        (answers(200, ""), BROKEN, "no value"),
        (Answer(200, {}, b"null"), BROKEN, "no value"),
        (answers(200, [None, None]), BROKEN, "no value"),
        (answers(200, {"error": "KeyError: 'age'"}), BROKEN, "KeyError"),
    ],
)
def test_each_answer_has_a_meaning(answer: Any, outcome: ProbeOutcome, says_: str) -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answer)
    seen = bench.service.score(ROWS)
    assert seen.seen is outcome
    assert says_ in seen.detail
    assert seen.request


def test_the_address_is_read_again_where_nothing_is_there_any_more() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answers(404), answers(200, [1]))
    bench.service.score(ROWS)
    moved = SCORE.replace("census", "other")
    bench.http.put(endpoint(scoringUri=moved))
    bench.service.score(ROWS)
    assert bench.http.sent[-1].url == moved


def test_an_endpoint_without_an_address_does_not_answer() -> None:
    bench = Bench()
    bench.http.put(endpoint(scoringUri=None, provisioningState="Creating"))
    seen = bench.service.score(ROWS)
    assert (seen.seen, "no address yet" in seen.detail) == (SILENT, True)
    del bench.http.resources["onlineEndpoints/census"]
    with pytest.raises(PermanentError, match="no endpoint census"):
        bench.service.score(ROWS)


def test_a_key_never_travels_in_clear() -> None:
    bench = Bench()
    bench.http.put(endpoint(scoringUri="http://census.example/score"))
    with pytest.raises(PermanentError):
        bench.service.score(ROWS)
    assert all("census.example" not in one.url for one in bench.http.sent)


def test_an_unknown_way_to_sign_in_is_refused() -> None:
    bench = Bench()
    bench.http.put(endpoint(authMode="Riddle"))
    assert bench.service.score(ROWS).seen is REFUSED


@pytest.mark.parametrize(("limit", "slow"), [(None, False), (5_000, False), (90_000, True)])
def test_a_model_that_may_take_long_is_waited_for(limit: int | None, slow: bool) -> None:  # noqa: FBT001
    settings = {"request_settings": {"request_timeout_ms": limit}} if limit else {}
    bench = Bench(deployment={"instance_type": "Standard_F4s_v2", **settings})
    patient = FakeService(bench.http.resources)
    for one in (bench.http, patient):
        one.script("POST", "/score", answers(200, [1]))
    calls = bench.service.calls
    service = replace(bench.service, calls=replace(calls, call=replace(calls.call, slow=patient)))
    assert service.score(ROWS).seen is GOOD
    assert bool(patient.sent) is slow


def test_a_failed_probe_is_logged_with_its_id_and_no_key(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answers(500))
    with caplog.at_level(logging.WARNING):
        bench.service.score(ROWS)
    own = bench.http.sent[-1].headers["x-ms-client-request-id"]
    assert own in caplog.text
    assert KEY not in caplog.text


# Answers as tables


def table(value: object) -> Any:
    return table_of(value, lambda text: text)


@pytest.mark.parametrize(
    ("value", "columns", "rows"),
    [
        ([0.5, 1], ("score",), (("0.5",), ("1",))),
        ([[1, 2], [3, 4]], ("score.0", "score.1"), (("1", "2"), ("3", "4"))),
        ([{"b": 1, "a": "x"}], ("a", "b"), (("x", "1"),)),
        ({"predictions": [1, 2]}, ("predictions",), (("1",), ("2",))),
        ({"a": [1, 2], "b": [3, 4]}, ("a", "b"), (("1", "3"), ("2", "4"))),
        ({"a": [1, 2], "b": 3}, ("a.0", "a.1", "b"), (("1", "2", "3"),)),
        ("[0.25]", ("score",), (("0.25",),)),
        ('{"result": ["yes"]}', ("result",), (("yes",),)),
        ("yes", ("score",), (("yes",),)),
        ("[not json", ("score",), (("[not json",),)),
        (0.75, ("score",), (("0.75",),)),
        (True, ("score",), (("true",),)),
        ([1, None], ("score",), (("1",), ("null",))),
        ([{"a": 1}, {"b": 2}], ("a", "b"), (("1", ""), ("", "2"))),
        ({"data": {"out": [[1]]}}, ("data.out.0",), (("1",),)),
        ({"label": "cat"}, ("label",), (("cat",),)),
    ],
)
def test_any_json_becomes_rows_that_can_be_compared(value: Any, columns: Any, rows: Any) -> None:
    assert table(value) == (columns, rows)


def test_a_huge_answer_is_kept_short_and_still_compared() -> None:
    many = [[at, at + 0.5, "x" * 300] for at in range(50_000)]
    columns, rows = table(many)
    assert len(columns) == 3
    assert len(rows) <= 501
    assert rows[-1][0] == "50000 rows in all"
    changed = [*many[:-1], [0, 0, ""]]
    assert table(changed)[1][:-1] == rows[:-1]
    assert table(changed)[1][-1] != rows[-1]
    assert len(json.dumps([columns, rows])) < 100_000
    wide = {f"c{at}": at for at in range(5_000)}
    assert table(wide) != table({**wide, "c4999": 0})


def test_a_deep_answer_is_compared_by_its_digest() -> None:
    deep: Any = 1
    other: Any = 2
    for _ in range(200):
        deep, other = {"a": deep, "b": 0}, {"a": other, "b": 0}
    assert table(deep) != table(other)
    assert table(deep) == table(deep)


def test_no_number_that_is_not_finite_is_a_score() -> None:
    for value in (math.nan, math.inf, [1.0, -math.inf], [{"a": math.nan}]):
        with pytest.raises(ValueError, match="finite"):
            table(value)
