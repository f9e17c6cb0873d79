"""With which key and at which URL a New web service is scored."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.core.config.studio_endpoint import Verify
from shared.core.serving.probes import ProbeOutcome
from shared.errors import PermanentError, RelearnError
from shared.providers.http.client import Answer
from tests.unit.providers.web_service_scripts import (
    ARM,
    FIRST,
    HOST,
    PATH,
    URL,
    checked,
    definition,
    service,
    updated,
)
from tests.unit.samples import BASE
from tests.unit.scripted import KEY, SAS, answering, call, refuses

SCORING = (
    "https://ussouthcentral.services.azureml.net/subscriptions/subscriptionId/services/serviceId"
)
ROWS = {"Inputs": {"input1": [{"a": "1"}, {"a": "2"}]}}
GOOD = answering({"Results": {"output1": [{"Scored Labels": "0"}, {"Scored Labels": "1"}]}})
KEYS = answering({"primary": KEY, "secondary": "b3RoZXI="})


def verify(**changes: Any) -> Verify:
    return Verify.model_validate({"rows": ROWS, **changes})


def test_a_check_scores_with_the_key_that_list_keys_gives() -> None:
    one, script = service(answering(definition()), KEYS, GOOD, verify=verify())
    check = one.check()
    assert check.probe is not None
    assert (check.probe.seen, check.probe.rows) == (ProbeOutcome.GOOD, (("0",), ("1",)))
    _, keys, scored = script.sent
    listed = f"{HOST}{PATH}/listKeys?api-version=2017-01-01"
    assert (keys.method, keys.url, keys.body) == ("GET", listed, None)
    assert keys.headers["Authorization"] == f"Bearer {ARM}"
    swagger = f"{SCORING}/execute?api-version=2.0&details=true&format=swagger"
    assert (scored.method, scored.url) == ("POST", swagger)
    assert scored.headers["Authorization"] == f"Bearer {KEY}"
    assert scored.json() == ROWS


def test_a_key_and_a_url_that_are_configured_are_not_asked_for() -> None:
    one, script = service(answering(definition(swaggerLocation=None)), GOOD)
    given = verify(score=f"{BASE}/execute?api-version=2.0")
    one = replace(one, verify=given, scoring=call(script, "${SCORE_KEY}"))
    assert one.check().probe is not None
    assert [sent.url for sent in script.sent] == [URL, f"{BASE}/execute?api-version=2.0"]
    assert script.sent[1].headers["Authorization"] == "Bearer c2NvcmU="


def test_rows_as_a_table_are_scored_without_asking_for_objects() -> None:
    table = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["1"], ["2"]]}}}
    one, script = service(answering(definition()), KEYS, GOOD, verify=verify(rows=table))
    one.check()
    assert script.sent[2].url == f"{SCORING}/execute?api-version=2.0&details=true"


@pytest.mark.parametrize(
    "swagger", [f"{SCORING}/swagger.json", f"{SCORING}/Swagger.JSON?api-version=2.0&sig=x"]
)
def test_the_scoring_url_is_where_the_swagger_file_lies(swagger: str) -> None:
    reported = definition(swaggerLocation=swagger)
    one, script = service(answering(reported), KEYS, GOOD, verify=verify())
    one.check()
    assert script.sent[2].url.startswith(f"{SCORING}/execute?api-version=2.0")
    assert "sig=x" not in script.sent[2].url


@pytest.mark.parametrize(
    ("swagger", "words"),
    [
        (None, "write `verify.score`"),
        ("", "write `verify.score`"),
        (SCORING, "write `verify.score`"),
        ("http://ussouthcentral.services.azureml.net/s/swagger.json", "https is required"),
        ("http://127.0.0.1:8080/s/swagger.json", "https is required"),
        ("http://169.254.169.254/swagger.json", "https is required"),
        ("ftp://ussouthcentral.services.azureml.net/s/swagger.json", "https is required"),
        ("file:///etc/swagger.json", "https is required"),
        ("https://[half.an.address/swagger.json", "reports a scoring URL"),
    ],
)
def test_no_key_is_sent_to_a_scoring_url_that_is_not_secure(
    swagger: str | None, words: str
) -> None:
    one, script = service(
        answering(definition(swaggerLocation=swagger)), KEYS, GOOD, verify=verify()
    )
    with pytest.raises(PermanentError) as caught:
        one.check()
    assert words in str(caught.value)
    assert not [sent for sent in script.sent if sent.method == "POST"]


@pytest.mark.parametrize("body", [{}, [], None, "text", {"primary": None}, {"primary": ["x"]}])
def test_a_service_that_reports_no_key_is_named_with_the_advice(body: object) -> None:
    one, _ = service(answering(definition()), answering(body), verify=verify())
    with pytest.raises(PermanentError, match=r"write `verify\.api_key`"):
        one.check()


def test_a_probe_without_an_answer_is_a_check() -> None:
    one, _ = service(answering(definition()), KEYS, Answer(503, {}, b""), verify=verify())
    check = one.check()
    assert check.probe is not None
    assert check.probe.seen is ProbeOutcome.NO_ANSWER


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_no_token_or_key_is_in_what_is_said(status: int) -> None:
    words = f"Bearer {ARM} and key {KEY} may not read {FIRST}{SAS}; token {ARM}"
    refusal = refuses(status, "AuthorizationFailed", message=words)
    asks: tuple[Callable[[], object], ...] = (
        service(refusal)[0].check,
        service(refusal)[0].current,
        lambda: updated(refusal),
        lambda: checked(refusal, definition()),
    )
    for ask in asks:
        with pytest.raises(RelearnError) as caught:
            ask()
        assert ARM not in str(caught.value)
        assert "c2lnbmF0dXJl" not in str(caught.value)
    one, _ = service(answering(definition()), KEYS, refusal, verify=verify())
    check = one.check()
    assert check.probe is not None
    assert KEY not in repr(check)
    one, _ = service(answering(definition()))
    assert ARM not in repr(one)
