from typing import Any

import pytest

from shared.clients.http import Answer
from shared.clients.studio_endpoint import StudioClassicEndpoint
from shared.clients.studio_errors import StudioRefused
from shared.core.endpoint import Verify
from shared.core.proof import Progress, Seen
from shared.core.run import WayBack
from shared.core.urls import require_https
from shared.errors import OutcomeUnknown, PermanentError, RelearnError, TransientError
from tests.fakes.blobs import ACCOUNT, FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import BASE, MODEL, ROWS, UPDATE
from tests.unit.scripted import ENVIRONMENT, KEY, SAS, Script, call, refuses, says

NAME = "Sample [trained model]"
DONE = Answer(200, {}, b"")
LOST = OutcomeUnknown("PATCH: the answer was lost")
VERIFY = Verify.model_validate({"score": f"{BASE}/execute?api-version=2.0", "rows": ROWS})


def endpoint(
    *answers: Answer | RelearnError, verify: Verify | None = None
) -> tuple[StudioClassicEndpoint, Script]:
    script = Script(list(answers))
    blobs = FakeBlobs(FakeClock())
    own, score = call(script, "${ENDPOINT_KEY}"), call(script, "${SCORE_KEY}")
    serving = StudioClassicEndpoint(own, score, UPDATE, NAME, verify, blobs, secure)
    return serving, script


def secure(url: str) -> str:
    return require_https(url, development=False)


def told(location: object, name: str = NAME) -> Answer:
    return says({"Name": "production", "Resources": [{"Name": name, "Location": location}]})


def scores(*rows: list[Any]) -> Answer:
    value = {"ColumnNames": ["a", "Scored Labels"], "Values": list(rows)}
    return says({"Results": {"output1": {"type": "table", "value": value}}})


def probed(answer: Answer | RelearnError) -> Any:
    """Return what a look's probe shows when the read-back goes well."""
    return endpoint(told(None), answer, verify=VERIFY)[0].look().probe


def test_the_update_is_exactly_the_documented_patch() -> None:
    serving, script = endpoint(DONE)
    serving.update(MODEL)
    (sent,) = script.sent
    assert (sent.method, sent.url) == ("PATCH", UPDATE)
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    body = sent.json()
    token = body["Resources"][0]["Location"].pop("SasBlobToken")
    place = {"BaseLocation": ACCOUNT, "RelativeLocation": MODEL.path}
    assert body == {"Resources": [{"Name": NAME, "Location": place}]}
    assert token.startswith("?st=2026-03-01T11%3A55")  # 24 h 05 min, as the real one's
    assert "se=2026-03-02T12%3A00" in token
    assert "sp=r&" in token


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refuses(400, "BadArgument"), StudioRefused),
        (refuses(404, "NotFound", "WebServiceNotFound"), StudioRefused),
        (refuses(401, "Unauthorized"), TransientError),
        (Answer(503, {}, b""), TransientError),
        (TransientError("refused"), TransientError),
        (refuses(500, "InternalError", "UpdateWebServiceResourceFailed"), OutcomeUnknown),
        (Answer(502, {}, b""), OutcomeUnknown),
        (Answer(408, {}, b""), OutcomeUnknown),
        (LOST, OutcomeUnknown),
    ],
)
def test_what_an_update_that_failed_proves(
    answer: Answer | RelearnError, error: type[RelearnError]
) -> None:
    serving, _ = endpoint(answer)
    with pytest.raises(error):
        serving.update(MODEL)


def test_a_known_model_is_put_back_by_the_same_patch() -> None:
    serving, script = endpoint(DONE)
    serving.restore(WayBack(model=MODEL))
    assert script.sent[0].method == "PATCH"
    assert MODEL.path in (script.sent[0].body or b"").decode()


@pytest.mark.parametrize("answer", [DONE, Answer(304, {}, b"")])
def test_without_a_known_model_the_endpoint_is_refreshed(answer: Answer) -> None:
    serving, script = endpoint(answer)
    serving.restore(WayBack())
    (sent,) = script.sent
    assert (sent.method, sent.url) == ("POST", f"{UPDATE}/refresh")
    assert sent.json() == {"OverwriteResources": "True"}


def test_a_refused_refresh_is_told() -> None:
    serving, _ = endpoint(refuses(400, "BadArgument"))
    with pytest.raises(StudioRefused):
        serving.restore(WayBack())


def test_the_endpoint_tells_what_it_was_given() -> None:
    place = {"BaseLocation": ACCOUNT, "RelativeLocation": "c/x.ilearner", "SasBlobToken": SAS}
    serving, script = endpoint(told(place))
    current = serving.current()
    assert current.location == (ACCOUNT, "c/x.ilearner", SAS)
    assert current.resources == (NAME,)
    assert "sig" not in repr(current)
    assert (script.sent[0].method, script.sent[0].url) == ("GET", UPDATE)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (told(None), (NAME,)),
        (told({"BaseLocation": ACCOUNT}), (NAME,)),
        (told({"RelativeLocation": "c/x"}, name="Another"), ("Another",)),
        (says({"Resources": []}), ()),
        (says({"Name": "production"}), None),
        (says({"Resources": "?"}), None),
        (says(["?"]), None),
        (Answer(200, {}, b"<html>"), None),
        (Answer(401, {}, b""), None),
        (Answer(403, {}, b""), None),
        (Answer(405, {}, b""), None),
        (Answer(501, {}, b""), None),
    ],
)
def test_an_endpoint_that_tells_less_is_still_one(
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


def test_a_look_scores_the_probe_rows_with_the_key_for_scoring() -> None:
    place = {"BaseLocation": ACCOUNT, "RelativeLocation": "/models/x.ilearner", "SasBlobToken": SAS}
    serving, script = endpoint(told(place), scores(["1", "0"], ["2", "1"]), verify=VERIFY)
    look = serving.look()
    assert look.progress is Progress.UNTOLD
    assert look.configured == "models/x.ilearner"
    assert look.probe is not None
    assert (look.probe.seen, look.probe.rows) == (Seen.GOOD, (("0",), ("1",)))
    sent = script.sent[1]
    assert (sent.method, sent.url) == ("POST", f"{BASE}/execute?api-version=2.0")
    assert sent.headers["Authorization"] == f"Bearer {ENVIRONMENT['SCORE_KEY']}"
    assert sent.json() == ROWS


def test_answers_carry_which_rows_they_are_to() -> None:
    rows = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["1"], ["3"]]}}}
    other = Verify.model_validate({"score": f"{BASE}/execute", "rows": rows})
    looks = [
        endpoint(told(None), answer, verify=verify)[0].look().probe
        for verify in (VERIFY, other)
        for answer in (scores(["1", "0"], ["2", "1"]), Answer(503, {}, b""))
    ]
    requests = [probe.request for probe in looks if probe is not None]
    assert requests[0] == requests[1] != requests[2] == requests[3]
    assert all(requests)


def test_a_look_goes_on_without_the_read_back() -> None:
    serving, _ = endpoint(Answer(503, {}, b""), scores(["1", "0"], ["2", "1"]), verify=VERIFY)
    look = serving.look()
    assert look.configured is None
    assert look.probe is not None
    assert look.probe.seen is Seen.GOOD


def test_without_probe_rows_nothing_is_scored() -> None:
    serving, script = endpoint(told(None))
    assert serving.look().probe is None
    assert len(script.sent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        LOST,
        TransientError("refused"),
        refuses(401, "Unauthorized", "ScoreRequestUnauthorized"),
        refuses(408, "RequestTimeout", "ScoreRequestTimeout"),
        Answer(429, {}, b""),
        refuses(500, "InternalError"),
        Answer(502, {}, b"<html>"),
        refuses(503, "InitializingContainers"),
        refuses(503, "ServiceUnavailable", "TooManyConcurrentRequests"),
        refuses(504, "GatewayTimeout", "BackendScoreTimeout"),
        Answer(200, {}, b"<html>"),
    ],
)
def test_what_says_nothing_about_the_model_is_no_answer(answer: Answer | RelearnError) -> None:
    assert probed(answer).seen is Seen.NO_ANSWER


@pytest.mark.parametrize("answer", [Answer(403, {}, b""), refuses(404, "NotFound")])
def test_what_is_about_the_probes_own_url_or_key_is_refused(answer: Answer) -> None:
    assert probed(answer).seen is Seen.REFUSED


@pytest.mark.parametrize(
    "answer",
    [
        refuses(400, "LibraryExecutionError", "ModuleExecutionError"),
        refuses(400, "InvalidOperation", "IncompatibleModel"),
        refuses(400, "WebServicePackageError", "RuntimesError"),
        refuses(413, "MemoryQuotaViolation", "OutOfMemoryLimit"),
        refuses(500, "InternalError", "ModuleExecutionFailed"),
        refuses(500, "InternalError", "ResourceLoadFailed"),
        refuses(500, "InternalError", "OutputConversionFailed"),
        scores(["1", "0"]),
        scores(["1", "NaN"], ["2", "0"]),
        says({"Results": {}}),
    ],
)
def test_what_is_the_models_fault_is_broken(answer: Answer) -> None:
    assert probed(answer).seen is Seen.BROKEN


def test_a_500_about_the_model_package_is_the_models_fault_too() -> None:
    assert probed(refuses(500, "ModelPackageFormatError")).seen is Seen.BROKEN


def test_the_reason_is_the_services_own_without_the_key_for_scoring() -> None:
    words = f"missing feature(s): 'hello'. {ENVIRONMENT['SCORE_KEY']} {SAS}"
    seen = probed(refuses(400, "LibraryExecutionError", message=words))
    assert "missing feature(s): 'hello'" in seen.detail
    assert ENVIRONMENT["SCORE_KEY"] not in seen.detail
    assert "c2lnbmF0dXJl" not in seen.detail


def test_a_look_that_can_never_work_is_told() -> None:
    broken = PermanentError("GET: the service's certificate is not trusted")
    with pytest.raises(PermanentError):
        endpoint(broken, verify=VERIFY)[0].look()
