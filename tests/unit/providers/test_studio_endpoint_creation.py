"""When a classic endpoint is created, and the error for a missing one."""

import pytest

from shared.core.config.studio_endpoint import Create
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from tests.unit.providers.endpoint_scripts import DONE, LOST, TOKEN, by_token
from tests.unit.samples import UPDATE
from tests.unit.scripted import answering, refuses

CREATE = Create()


def test_a_missing_endpoint_is_made_by_the_workspace_token() -> None:
    serving, script = by_token(refuses(404, "NotFound"), DONE, create=CREATE)
    serving.ensure()
    checked, made = script.sent
    assert (checked.method, checked.url) == ("GET", UPDATE)
    assert (made.method, made.url) == ("PUT", UPDATE)
    assert made.headers["Authorization"] == f"Bearer {TOKEN}"
    assert made.json() == {
        "EndpointName": "production",
        "Description": "made by Relearn",
        "ThrottleLevel": "Low",
        "MaxConcurrentCalls": None,
        "PreventUpdate": False,
    }


def test_whether_an_endpoint_is_there_is_asked_with_the_token_because_it_may_have_no_key() -> None:
    serving, script = by_token(refuses(404, "NotFound"), DONE, create=CREATE)
    serving.ensure()
    assert script.sent[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [200, 201, 304, 400, 401, 403, 405, 409, 429, 500, 503])
def test_an_endpoint_is_made_only_where_the_service_says_that_there_is_none(status: int) -> None:
    serving, script = by_token(Answer(status, {}, b""), create=CREATE)
    serving.ensure()
    assert [sent.method for sent in script.sent] == ["GET"]


def test_an_endpoint_that_is_not_to_be_created_is_not_even_checked() -> None:
    serving, script = by_token(refuses(404, "NotFound"))
    serving.ensure()
    assert not script.sent


def test_making_an_endpoint_passes_on_what_came_of_it() -> None:
    for answer, error in (
        (Answer(403, {}, b""), StudioRefusedError),
        (LOST, OutcomeUnknownError),
        (Answer(503, {}, b""), TransientError),
    ):
        with pytest.raises(error):
            by_token(refuses(404, "NotFound"), answer, create=CREATE)[0].ensure()
    with pytest.raises(TransientError):
        by_token(LOST, create=CREATE)[0].ensure()


def test_an_endpoint_just_made_and_not_shown_yet_is_waited_for() -> None:
    with pytest.raises(TransientError, match="was made and is not shown yet"):
        by_token(refuses(404, "NotFound"), create=CREATE)[0].current()


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (answering([{"Name": "default"}, {"Name": "staging"}]), "there is default, staging"),
        (answering([]), "there is none"),
        (refuses(404, "NotFound", "WebServiceNotFound"), "not reported"),
        (Answer(403, {}, b""), "not reported"),
    ],
)
def test_a_missing_endpoint_is_reported_with_those_that_exist(listed: Answer, words: str) -> None:
    serving, script = by_token(refuses(404, "NotFound"), listed)
    with pytest.raises(PermanentError) as caught:
        serving.current()
    assert "there is no endpoint production" in str(caught.value)
    assert words in str(caught.value)
    assert "`create: true`" in str(caught.value)
    assert script.sent[1].url == UPDATE.removesuffix("/production")
    assert script.sent[1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_list_that_does_not_come_leaves_open_whether_the_endpoint_is_missing() -> None:
    with pytest.raises(TransientError):
        by_token(refuses(404, "NotFound"), Answer(503, {}, b""))[0].current()
