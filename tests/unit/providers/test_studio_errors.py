from datetime import timedelta

import pytest

from shared.core.redaction import Redactor
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.errors import (
    StudioRefusedError,
    read_error,
    read_refusal,
    sort_refusal,
)
from tests.unit.scripted import KEY, SAS, answering, refuses

CLEAN = Redactor(KEY).text

HTML = b"<html><style>b{}</style><body><h1>502 Bad Gateway</h1>nginx</body></html>"


@pytest.mark.parametrize(
    ("answer", "read", "write"),
    [
        (refuses(400, "BadArgument", "InvalidInputNames"), StudioRefusedError, StudioRefusedError),
        (
            refuses(400, "LibraryExecutionError", "FailedToEvaluate"),
            StudioRefusedError,
            StudioRefusedError,
        ),
        (
            refuses(400, "InvalidOperation", "CannotStartJob"),
            StudioRefusedError,
            StudioRefusedError,
        ),
        (Answer(400, {}, b"The request is not valid."), StudioRefusedError, StudioRefusedError),
        (Answer(400, {}, HTML), StudioRefusedError, StudioRefusedError),
        (Answer(400, {}, b""), StudioRefusedError, StudioRefusedError),
        (refuses(401, "Unauthorized", "ScoreRequestUnauthorized"), TransientError, TransientError),
        (Answer(403, {}, b"Forbidden"), StudioRefusedError, StudioRefusedError),
        (refuses(404, "NotFound", "WebServiceNotFound"), StudioRefusedError, StudioRefusedError),
        (
            refuses(408, "RequestTimeout", "ScoreRequestTimeout"),
            TransientError,
            OutcomeUnknownError,
        ),
        (
            refuses(409, "Conflict", "ModelOutputMetadataMismatch"),
            StudioRefusedError,
            StudioRefusedError,
        ),
        (refuses(413, "MemoryQuotaViolation"), StudioRefusedError, StudioRefusedError),
        (Answer(429, {}, b""), TransientError, TransientError),
        (Answer(440, {}, b""), TransientError, OutcomeUnknownError),
        (refuses(500, "InternalError"), TransientError, OutcomeUnknownError),
        (refuses(500, "GetWorkspaceFailed"), StudioRefusedError, StudioRefusedError),
        (Answer(502, {}, HTML), TransientError, OutcomeUnknownError),
        (refuses(503, "ServiceUnavailable", "RequestThrottled"), TransientError, TransientError),
        (refuses(503, "InitializingContainers"), TransientError, TransientError),
        (
            refuses(504, "GatewayTimeout", "BackendScoreTimeout"),
            TransientError,
            OutcomeUnknownError,
        ),
        (Answer(509, {}, b""), TransientError, OutcomeUnknownError),
        (
            Answer(307, {"Location": "https://elsewhere/"}, b""),
            StudioRefusedError,
            StudioRefusedError,
        ),
    ],
    ids=lambda value: f"{value.status} {value.body[:40]!r}" if isinstance(value, Answer) else "",
)
def test_each_answer_has_one_meaning(
    answer: Answer, read: type[RelearnError], write: type[RelearnError]
) -> None:
    assert type(sort_refusal(answer, "do it", CLEAN, write=False)) is read
    assert type(sort_refusal(answer, "do it", CLEAN, write=True)) is write


@pytest.mark.parametrize("piece", [b"<script", b"<", b"<style>", b"?", b"<script>x</style>"])
def test_no_page_takes_long_with_any_content(piece: bytes) -> None:
    page = Answer(502, {}, piece * (400_000 // len(piece)))
    assert len(read_refusal(page).text) <= 500  # by the square of its length it takes hours


def test_the_services_own_words_are_shown_with_what_was_asked_for() -> None:
    answer = refuses(400, "BadArgument", "OneThing", "Another", message="Invalid argument.")
    error = sort_refusal(answer, "create job", CLEAN, write=True)
    assert str(error) == (
        "create job: BadArgument, OneThing, Another: "
        "Invalid argument. OneThing happened. Another happened. (HTTP 400)"
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"Plain   words\nof a gateway", "Plain words of a gateway (HTTP 502)"),
        (HTML, "502 Bad Gateway nginx (HTTP 502)"),
        (b"", "no reason given (HTTP 502)"),
        (b"\xff\xfe\x00", None),
    ],
)
def test_texts_and_pages_are_read_as_one_line(body: bytes, shown: str | None) -> None:
    text = str(read_refusal(Answer(502, {}, body)))
    assert "\n" not in text
    assert shown is None or text == shown


@pytest.mark.parametrize(
    "error",
    [
        {"code": "BadArgument", "message": "m"},
        {"code": "BadArgument", "message": "m", "details": None},
        {"code": "BadArgument", "message": "m", "details": []},
        {"code": "BadArgument", "message": "m", "details": {"code": "x"}},
        {"code": "BadArgument", "message": "m", "details": ["x", None, 3]},
        {"code": "BadArgument", "message": "m", "details": 3},
    ],
)
def test_missing_or_odd_details_block_nothing(error: dict[str, object]) -> None:
    refusal = read_refusal(answering({"error": error}, 400))
    assert (refusal.code, refusal.text) == ("BadArgument", "m")
    assert refusal.codes == {"BadArgument"}


@pytest.mark.parametrize(
    "body", [{"error": "text"}, {"error": None}, ["x"], "text", {"message": "m"}, 5, None]
)
def test_json_without_the_envelope_is_shown_as_it_came(body: object) -> None:
    refusal = read_refusal(answering(body, 400))
    assert (refusal.status, refusal.code, refusal.detail_codes) == (400, "", ())


@pytest.mark.parametrize("shape", ["json", "text", "details"])
def test_no_key_and_no_signature_is_ever_repeated(shape: str) -> None:
    words = f"key {KEY} for https://a.blob.core.windows.net/c/b{SAS} AccountKey={KEY}; Bearer x1y2"
    answer = {
        "json": refuses(400, "BadArgument", message=words),
        "text": Answer(500, {}, words.encode()),
        "details": answering({"error": {"details": [{"code": "c", "message": words}]}}, 400),
    }[shape]
    for write in (False, True):
        shown = str(sort_refusal(answer, "create job", CLEAN, write=write))
        assert KEY not in shown
        assert "c2lnbmF0dXJl" not in shown
        assert "x1y2" not in shown


@pytest.mark.parametrize("before", [480, 490, 1970, 1980, 1990])
@pytest.mark.parametrize("envelope", [False, True])
def test_cutting_a_long_text_does_not_leave_half_a_key(before: int, *, envelope: bool) -> None:
    words = "x" * (before - 1) + " " + KEY + " " + "y" * 3000
    answer = (
        refuses(400, "BadArgument", message=words) if envelope else Answer(400, {}, words.encode())
    )
    shown = str(read_refusal(answer, CLEAN))
    assert KEY[:6] not in shown


def test_a_wait_that_the_service_asks_for_is_kept() -> None:
    for status in (429, 503):
        error = sort_refusal(Answer(status, {"Retry-After": "90"}, b""), "x", write=True)
        assert isinstance(error, TransientError)
        assert error.retry_after == timedelta(seconds=90)


def test_a_401_is_waited_for_no_longer_than_a_publication_takes() -> None:
    error = sort_refusal(refuses(401, "Unauthorized"), "x", write=False)
    assert isinstance(error, TransientError)
    assert error.patience == timedelta(minutes=10)
    assert "key" in str(error)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("InvalidInputNames", "training.inputs"),
        ("InvalidOutputOverrideName", "training.outputs"),
        ("MissingRequiredGlobalParameters", "training.parameters"),
        ("UnexpectedParameter", "training.parameters"),
        ("InvalidBlobExtension", ".ilearner"),
    ],
)
def test_a_known_mistake_comes_with_its_advice(code: str, advice: str) -> None:
    error = sort_refusal(refuses(400, "BadArgument", code), "create job", write=True)
    assert isinstance(error, PermanentError)
    assert str(error).endswith(advice) or advice in str(error)


@pytest.mark.parametrize("within", [{}, {"details": None}, {"details": []}])
def test_details_beside_the_error_are_read_too(within: dict[str, object]) -> None:
    beside = [{"code": "UnexpectedParameter", "message": "Seed is unknown."}]
    error = {"code": "BadArgument", "message": "No.", **within}
    refusal = read_refusal(answering({"error": error, "details": beside}, 400))
    assert refusal.codes == {"BadArgument", "UnexpectedParameter"}
    assert refusal.text == "No. Seed is unknown."


def test_details_inside_the_error_count_before_those_beside_it() -> None:
    error = {"code": "c", "message": "m", "details": [{"code": "inside"}]}
    refusal = read_refusal(answering({"error": error, "details": [{"code": "beside"}]}, 400))
    assert refusal.detail_codes == ("inside",)


def test_an_operations_error_is_read_like_an_envelopes() -> None:
    known = {"code": "Failed", "target": None, "message": f"No {KEY}.\nAt all."}
    refusal = read_error(known, 200, CLEAN)
    assert (refusal.status, refusal.code, refusal.text) == (200, "Failed", "No ***. At all.")


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (None, ""),
        (5, "5: "),
        (["x"], ""),
        ("x" * 5000, f"{'x' * 100}: "),
        (f"code\n{KEY}", "code ***: "),
    ],
)
def test_odd_codes_block_nothing_and_hold_no_key(code: object, shown: str) -> None:
    error = {"code": code, "message": "m", "details": [{"code": code, "message": "d"}]}
    refused = sort_refusal(answering({"error": error}, 400), "x", CLEAN, write=True)
    assert isinstance(refused, StudioRefusedError)
    assert str(refused) == f"x: {shown}m d (HTTP 400)"
    assert KEY not in repr(refused.refusal)
    assert len(repr(refused.refusal)) < 500


@pytest.mark.parametrize(
    ("status", "code"), [(502, "BadArgument"), (500, "WebServiceNotFound"), (400, "InternalError")]
)
def test_a_code_under_another_status_counts_by_the_status(status: int, code: str) -> None:
    error = sort_refusal(refuses(status, code, code), "x", write=True)
    assert isinstance(error, OutcomeUnknownError if status >= 500 else StudioRefusedError)


def test_a_detail_is_more_exact_than_its_class() -> None:
    error = sort_refusal(refuses(500, "InternalError", "GetWorkspaceFailed"), "x", write=True)
    assert isinstance(error, StudioRefusedError)


def test_advice_that_is_known_for_another_status_is_shown_all_the_same() -> None:
    answer = refuses(400, "InvalidOperation", "UpdateWebServiceResourceFailed")
    assert "endpoints[].resource" in str(sort_refusal(answer, "x", write=True))


def test_two_details_come_with_the_advice_of_each_once() -> None:
    codes = ("InvalidInputNames", "InvalidInputNames", "UnexpectedParameter")
    shown = str(sort_refusal(refuses(400, "BadArgument", *codes), "x", write=True))
    assert shown.count("training.inputs") == 1
    assert "training.parameters" in shown


def test_a_refusal_known_to_pass_may_still_have_happened_under_a_5xx() -> None:
    answer = refuses(500, "c", message="URL of the retraining model is invalid")
    assert isinstance(sort_refusal(answer, "x", write=True), OutcomeUnknownError)
