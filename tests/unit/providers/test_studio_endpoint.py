"""A classic endpoint: the requests that update or refresh it, and the answers."""

import pytest

from shared.core.serving.probes import ProbeOutcome
from shared.errors import OutcomeUnknownError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from tests.fakes.blobs import ACCOUNT
from tests.unit.providers.endpoint_scripts import (
    DONE,
    LOST,
    NAME,
    SHOWS,
    TOKEN,
    by_token,
    endpoint,
    reported,
)
from tests.unit.samples import MODEL_BLOB, UPDATE
from tests.unit.scripted import KEY, SAS, answering, refuses


def test_the_update_is_exactly_the_documented_patch() -> None:
    serving, script = endpoint(DONE)
    serving.update(MODEL_BLOB)
    (sent,) = script.sent
    assert (sent.method, sent.url) == ("PATCH", UPDATE)
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    body = sent.json()
    token = body["Resources"][0]["Location"].pop("SasBlobToken")
    given = {"BaseLocation": ACCOUNT, "RelativeLocation": MODEL_BLOB.path}
    assert body == {"Resources": [{"Name": NAME, "Location": given}]}
    assert token.startswith("?st=2026-03-01T11%3A55")  # 24 h 05 min, as the real one's
    assert "se=2026-03-02T12%3A00" in token
    assert "sp=r&" in token


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refuses(400, "BadArgument"), StudioRefusedError),
        (refuses(404, "NotFound", "WebServiceNotFound"), StudioRefusedError),
        (refuses(401, "Unauthorized"), TransientError),
        (Answer(503, {}, b""), TransientError),
        (TransientError("refused"), TransientError),
        (refuses(500, "InternalError", "UpdateWebServiceResourceFailed"), OutcomeUnknownError),
        (Answer(502, {}, b""), OutcomeUnknownError),
        (Answer(408, {}, b""), OutcomeUnknownError),
        (LOST, OutcomeUnknownError),
    ],
)
def test_the_meaning_of_a_failed_update(
    answer: Answer | RelearnError, error: type[RelearnError]
) -> None:
    serving, _ = endpoint(answer)
    with pytest.raises(error):
        serving.update(MODEL_BLOB)


def test_a_known_model_is_rolled_back_by_the_same_patch() -> None:
    serving, script = endpoint(DONE)
    serving.update(MODEL_BLOB)
    assert script.sent[0].method == "PATCH"
    assert MODEL_BLOB.path in (script.sent[0].body or b"").decode()


@pytest.mark.parametrize("answer", [DONE, Answer(304, {}, b"")])
def test_without_a_known_model_the_endpoint_is_refreshed(answer: Answer) -> None:
    serving, script = endpoint(answer)
    serving.refresh()
    (sent,) = script.sent
    assert (sent.method, sent.url) == ("POST", f"{UPDATE}/refresh")
    assert sent.json() == {"OverwriteResources": "True"}


def test_a_refused_refresh_is_reported() -> None:
    serving, _ = endpoint(refuses(400, "BadArgument"))
    with pytest.raises(StudioRefusedError):
        serving.refresh()


def test_the_endpoint_says_what_it_was_given() -> None:
    given = {
        "BaseLocation": ACCOUNT,
        "RelativeLocation": "c/x.ilearner",
        "SasBlobToken": SAS,
    }
    serving, script = endpoint(reported(given))
    current = serving.current()
    assert current.location == (ACCOUNT, "c/x.ilearner", SAS)
    assert current.resources == (NAME,)
    assert "sig" not in repr(current)
    assert (script.sent[0].method, script.sent[0].url) == ("GET", UPDATE)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (reported(None), (NAME,)),
        (reported({"BaseLocation": ACCOUNT}), (NAME,)),
        (reported({"RelativeLocation": "c/x"}, name="Another"), ("Another",)),
        (answering({"Resources": []}), ()),
        (answering({"Name": "production"}), None),
        (answering({"Resources": "?"}), None),
        (answering(["?"]), None),
        (Answer(200, {}, b"<html>"), None),
        (Answer(401, {}, b""), None),
        (Answer(403, {}, b""), None),
        (Answer(405, {}, b""), None),
        (Answer(501, {}, b""), None),
    ],
)
def test_an_endpoint_that_reports_less_is_still_one(
    answer: Answer, names: tuple[str, ...] | None
) -> None:
    current = endpoint(answer)[0].current()
    assert (current.location, current.resources, current.refreshable) == (None, names, True)


def test_an_endpoint_that_is_not_known_is_not_to_be_refreshed_either() -> None:
    current = endpoint(refuses(404, "NotFound"))[0].current()
    assert (current.location, current.resources, current.refreshable) == (None, None, False)


@pytest.mark.parametrize("answer", [LOST, Answer(503, {}, b""), Answer(429, {}, b"")])
def test_a_read_back_without_an_answer_may_be_repeated(answer: Answer | RelearnError) -> None:
    with pytest.raises(TransientError):
        endpoint(answer)[0].current()


def test_a_refresh_is_asked_for_with_the_token_and_an_update_with_the_key() -> None:
    serving, script = by_token(DONE)
    serving.refresh()
    serving.update(MODEL_BLOB)
    refresh, update = script.sent
    assert refresh.headers["Authorization"] == f"Bearer {TOKEN}"
    assert update.headers["Authorization"] == f"Bearer {KEY}"


def test_what_an_endpoint_was_given_never_shows_its_signature() -> None:
    given = {"BaseLocation": ACCOUNT, "RelativeLocation": f"c/x.ilearner{SAS}"}
    check = endpoint(reported(given))[0].check()
    assert check.configured == "c/x.ilearner"


def test_neither_token_nor_keys_are_shown() -> None:
    serving, script = by_token(SHOWS, refuses(403, "X", message=f"{TOKEN} ZXAta2V5 {KEY}"))
    shown = repr(by_token(DONE)[0])
    check = serving.check()
    assert check.probe is not None
    assert check.probe.seen is ProbeOutcome.REFUSED
    assert TOKEN not in shown
    assert KEY not in shown
    assert "ZXAta2V5" not in repr(check)
    assert len(script.sent) == 2
