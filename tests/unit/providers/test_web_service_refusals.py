"""The meaning of a refused or lost request to a New web service."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from tests.unit.providers.web_service_scripts import (
    OPERATION,
    checked,
    definition,
    service,
    updated,
)
from tests.unit.samples import MODEL_BLOB
from tests.unit.scripted import answering
from tests.unit.vectors import rows

ERRORS = rows("arm_errors")
MEANT = {"park": StudioRefusedError, "repeat": TransientError, "look": OutcomeUnknownError}


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row["body"]["error"]["code"])
def test_a_refused_update_says_what_it_shows_and_what_to_do(row: dict[str, Any]) -> None:
    retry = {"Retry-After": row["retry_after"]} if "retry_after" in row else {}
    answer = replace(answering(row["body"], row["http"]), headers=retry)
    with pytest.raises(MEANT[row["means"]]) as caught:
        updated(answer)
    for words in row["words"]:
        assert words in str(caught.value)
    if retry:
        assert isinstance(caught.value, TransientError)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after.total_seconds() == int(row["retry_after"])


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row["body"]["error"]["code"])
def test_a_refused_check_is_final_only_where_asking_again_cannot_help(row: dict[str, Any]) -> None:
    final = row["means"] == "park"
    with pytest.raises(StudioRefusedError if final else TransientError):
        service(answering(row["body"], row["http"]))[0].check()
    if row["http"] != 404:  # an operation that is forgotten is another matter
        with pytest.raises(StudioRefusedError if final else TransientError):
            checked(answering(row["body"], row["http"]), definition())


def test_a_lost_answer_to_the_patch_leaves_open_whether_it_happened() -> None:
    with pytest.raises(OutcomeUnknownError):
        updated(OutcomeUnknownError("the answer was lost"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500, {}, b"<html>oops</html>"), OutcomeUnknownError),
        (Answer(502, {}, b""), OutcomeUnknownError),
        (Answer(503, {}, b""), TransientError),
        (Answer(401, {}, b""), TransientError),
        (Answer(302, {"Location": "https://elsewhere.example/"}, b""), StudioRefusedError),
    ],
)
def test_an_update_without_a_reason_shows_as_much_as_its_status(
    answer: Answer, error: type[RelearnError]
) -> None:
    with pytest.raises(error):
        updated(answer)


def test_a_lost_answer_to_the_check_before_it_shows_that_nothing_happened() -> None:
    one, script = service(OutcomeUnknownError("the answer was lost"))
    with pytest.raises(TransientError):
        one.update(MODEL_BLOB)
    assert len(script.sent) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"properties": []}'])
def test_a_definition_that_is_none_is_asked_for_again(body: bytes) -> None:
    one, script = service(Answer(200, {}, body))
    asks: tuple[Callable[[], object], ...] = (
        one.check,
        one.current,
        lambda: one.update(MODEL_BLOB),
    )
    for ask in asks:
        with pytest.raises(TransientError, match="the answer is not a definition"):
            ask()
    assert {sent.method for sent in script.sent} == {"GET"}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_an_accepted_update_with_any_body(status: int) -> None:
    operation, _ = updated(Answer(status, {"Azure-AsyncOperation": OPERATION}, b"<html>"))
    assert operation == OPERATION


def test_a_model_from_before_is_patched_in_and_a_refresh_is_refused() -> None:
    one, script = service(answering(definition()), answering({}, azure_asyncoperation=OPERATION))
    assert one.update(MODEL_BLOB) == OPERATION
    assert MODEL_BLOB.path in (script.sent[1].body or b"").decode()
    one, script = service(answering(definition()))
    with pytest.raises(PermanentError, match="cannot be refreshed"):
        one.refresh()
    assert not script.sent


def test_nothing_is_made() -> None:
    one, script = service(Answer(404, {}, b""))
    one.ensure()
    assert not script.sent
