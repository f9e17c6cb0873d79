from dataclasses import replace
from typing import Any

import pytest

from shared.core.config.studio_endpoint import Create, Verify
from shared.core.config.studio_urls import require_https
from shared.core.serving.probes import ProbeOutcome, UpdateProgress
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.classic_endpoint import StudioClassicEndpoint
from shared.providers.studio.errors import StudioRefusedError
from tests.fakes.blobs import ACCOUNT, FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import BASE, MODEL_BLOB, ROWS, UPDATE
from tests.unit.scripted import ENVIRONMENT, KEY, SAS, Script, call, refuses, says

NAME = "Sample [trained model]"
DONE = Answer(200, {}, b"")
LOST = OutcomeUnknownError("PATCH: the answer was lost")
VERIFY = Verify.model_validate({"score": f"{BASE}/execute?api-version=2.0", "rows": ROWS})


def endpoint(
    *answers: Answer | RelearnError, verify: Verify | None = None
) -> tuple[StudioClassicEndpoint, Script]:
    script = Script(list(answers))
    blobs = FakeBlobs(FakeClock())
    own, score = call(script, "${ENDPOINT_KEY}"), call(script, "${SCORE_KEY}")
    serving = StudioClassicEndpoint(own, score, UPDATE, NAME, verify, blobs, "models", secure)
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
    serving.update(MODEL_BLOB)
    (sent,) = script.sent
    assert (sent.method, sent.url) == ("PATCH", UPDATE)
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    body = sent.json()
    token = body["Resources"][0]["Location"].pop("SasBlobToken")
    place = {"BaseLocation": ACCOUNT, "RelativeLocation": MODEL_BLOB.path}
    assert body == {"Resources": [{"Name": NAME, "Location": place}]}
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
def test_what_an_update_that_failed_proves(
    answer: Answer | RelearnError, error: type[RelearnError]
) -> None:
    serving, _ = endpoint(answer)
    with pytest.raises(error):
        serving.update(MODEL_BLOB)


def test_a_known_model_is_put_back_by_the_same_patch() -> None:
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


def test_a_refused_refresh_is_told() -> None:
    serving, _ = endpoint(refuses(400, "BadArgument"))
    with pytest.raises(StudioRefusedError):
        serving.refresh()


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
    assert look.progress is UpdateProgress.NOT_REPORTED
    assert look.configured == "models/x.ilearner"
    assert look.probe is not None
    assert (look.probe.seen, look.probe.rows) == (ProbeOutcome.GOOD, (("0",), ("1",)))
    sent = script.sent[1]
    assert (sent.method, sent.url) == ("POST", f"{BASE}/execute?api-version=2.0")
    assert sent.headers["Authorization"] == f"Bearer {ENVIRONMENT['SCORE_KEY']}"
    assert sent.json() == ROWS


def test_answers_carry_which_rows_they_are_to() -> None:
    rows = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["1"], ["3"]]}}}
    other = Verify.model_validate({"score": f"{BASE}/execute", "rows": rows})
    checks = [
        endpoint(told(None), answer, verify=verify)[0].look().probe
        for verify in (VERIFY, other)
        for answer in (scores(["1", "0"], ["2", "1"]), Answer(503, {}, b""))
    ]
    requests = [probe.request for probe in checks if probe is not None]
    assert requests[0] == requests[1] != requests[2] == requests[3]
    assert all(requests)


def test_a_look_goes_on_without_the_read_back() -> None:
    serving, _ = endpoint(Answer(503, {}, b""), scores(["1", "0"], ["2", "1"]), verify=VERIFY)
    look = serving.look()
    assert look.configured is None
    assert look.probe is not None
    assert look.probe.seen is ProbeOutcome.GOOD


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
    assert probed(answer).seen is ProbeOutcome.NO_ANSWER


@pytest.mark.parametrize("answer", [Answer(403, {}, b""), refuses(404, "NotFound")])
def test_what_is_about_the_probes_own_url_or_key_is_refused(answer: Answer) -> None:
    assert probed(answer).seen is ProbeOutcome.REFUSED


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
    assert probed(answer).seen is ProbeOutcome.BROKEN


def test_a_500_about_the_model_package_is_the_models_fault_too() -> None:
    assert probed(refuses(500, "ModelPackageFormatError")).seen is ProbeOutcome.BROKEN


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


TOKEN = "dG9rZW4="
CREATE = Create()
API = "https://ussouthcentral.services.azureml.net/workspaces/w1/services/e1"
TELLS = says({"Name": "production", "ApiLocation": API, "PrimaryKey": "ZXAta2V5"})
TOLD_VERIFY = Verify.model_validate({"rows": ROWS})


def by_token(
    *answers: Answer | RelearnError, **changes: Any
) -> tuple[StudioClassicEndpoint, Script]:
    """Return an endpoint whose workspace token is known, and no key for scoring."""
    serving, script = endpoint(*answers)
    token = StudioCall(script, lambda _: TOKEN, "")
    known: dict[str, Any] = {"manage": token, "scoring": None, "verify": TOLD_VERIFY}
    return replace(serving, **{**known, **changes}), script


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


def test_an_endpoint_that_nobody_asked_to_make_is_not_even_looked_at() -> None:
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
        (says([{"Name": "default"}, {"Name": "staging"}]), "there is default, staging"),
        (says([]), "there is none"),
        (refuses(404, "NotFound", "WebServiceNotFound"), "not told"),
        (Answer(403, {}, b""), "not told"),
    ],
)
def test_a_missing_endpoint_is_told_with_those_that_exist(listed: Answer, words: str) -> None:
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


def test_the_scoring_url_and_key_are_read_from_the_endpoint() -> None:
    serving, script = by_token(TELLS, scores(["1", "0"], ["2", "1"]))
    probe = serving.look().probe
    assert probe is not None
    assert probe.seen is ProbeOutcome.GOOD
    asked, scored = script.sent
    assert (asked.method, asked.url) == ("GET", UPDATE)
    assert (scored.method, scored.url) == ("POST", f"{API}/execute?api-version=2.0&details=true")
    assert scored.headers["Authorization"] == "Bearer ZXAta2V5"


def test_rows_as_objects_are_scored_in_their_own_form() -> None:
    objects = Verify.model_validate({"rows": {"Inputs": {"input1": [{"a": "1"}, {"a": "2"}]}}})
    serving, script = by_token(TELLS, says({"Results": {}}), verify=objects)
    serving.look()
    assert script.sent[1].url == f"{API}/execute?api-version=2.0&details=true&format=swagger"


def test_of_url_and_key_only_what_is_not_configured_is_read_from_the_endpoint() -> None:
    serving, script = by_token(TELLS, DONE, verify=VERIFY)
    serving.look()
    assert script.sent[1].url == f"{BASE}/execute?api-version=2.0"
    assert script.sent[1].headers["Authorization"] == "Bearer ZXAta2V5"
    serving, script = by_token(TELLS, DONE)
    replace(serving, scoring=call(script, "${SCORE_KEY}")).look()
    assert script.sent[1].url.startswith(f"{API}/execute")
    assert script.sent[1].headers["Authorization"] == f"Bearer {ENVIRONMENT['SCORE_KEY']}"


@pytest.mark.parametrize(
    "location",
    [
        "http://ussouthcentral.services.azureml.net/workspaces/w1/services/e1",
        "http://127.0.0.1:8080/workspaces/w1/services/e1",
        "ftp://ussouthcentral.services.azureml.net/e1",
        "file:///etc/passwd",
        "//ussouthcentral.services.azureml.net/e1",
        "ussouthcentral.services.azureml.net/e1",
        "https://[half.an.address/e1",
    ],
)
def test_no_key_is_sent_to_a_scoring_url_that_is_not_secure(location: str) -> None:
    told_so = says({"ApiLocation": location, "PrimaryKey": "ZXAta2V5"})
    serving, script = by_token(told_so, scores(["1", "0"], ["2", "1"]))
    with pytest.raises(PermanentError, match="endpoint production tells a scoring URL") as caught:
        serving.look()
    assert "ZXAta2V5" not in str(caught.value)
    assert len(script.sent) == 1


def test_plain_http_is_fine_on_loopback_in_development() -> None:
    told_so = says({"ApiLocation": "http://127.0.0.1:8080/e1", "PrimaryKey": "ZXAta2V5"})
    serving, script = by_token(
        told_so, DONE, allowed=lambda url: require_https(url, development=True)
    )
    serving.look()
    assert script.sent[1].url.startswith("http://127.0.0.1:8080/e1/execute")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"PrimaryKey": "ZXAta2V5"}, r"write `verify\.score`"),
        ({"ApiLocation": None, "PrimaryKey": "ZXAta2V5"}, r"write `verify\.score`"),
        ({"ApiLocation": API}, r"write `verify\.api_key`"),
        ({"ApiLocation": API, "PrimaryKey": ""}, r"write `verify\.api_key`"),
    ],
)
def test_an_endpoint_that_does_not_tell_how_to_score_it_is_told_with_the_cure(
    body: object, words: str
) -> None:
    serving, script = by_token(says(body))
    with pytest.raises(PermanentError, match=words):
        serving.look()
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 429, 500, 503])
def test_a_look_at_an_endpoint_that_does_not_answer_is_no_answer(status: int) -> None:
    serving, script = by_token(Answer(status, {}, b""))
    probe = serving.look().probe
    assert probe is not None
    assert (probe.seen, probe.rows) == (ProbeOutcome.NO_ANSWER, ())
    assert "does not tell its scoring URL and key now" in probe.detail
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 429, 500, 503])
def test_a_refused_read_back_is_no_error_where_url_and_key_are_configured(status: int) -> None:
    serving, _ = endpoint(Answer(status, {}, b""), scores(["1", "0"], ["2", "1"]), verify=VERIFY)
    probe = serving.look().probe
    assert probe is not None
    assert probe.seen is ProbeOutcome.GOOD


def test_a_refresh_is_asked_for_with_the_token_and_an_update_with_the_key() -> None:
    serving, script = by_token(DONE)
    serving.refresh()
    serving.update(MODEL_BLOB)
    refresh, update = script.sent
    assert refresh.headers["Authorization"] == f"Bearer {TOKEN}"
    assert update.headers["Authorization"] == f"Bearer {KEY}"


def test_what_an_endpoint_was_given_never_shows_its_signature() -> None:
    place = {"BaseLocation": ACCOUNT, "RelativeLocation": f"c/x.ilearner{SAS}"}
    look = endpoint(told(place))[0].look()
    assert look.configured == "c/x.ilearner"


def test_neither_token_nor_keys_are_shown() -> None:
    serving, script = by_token(TELLS, refuses(403, "X", message=f"{TOKEN} ZXAta2V5 {KEY}"))
    shown = repr(by_token(DONE)[0])
    look = serving.look()
    assert look.probe is not None
    assert look.probe.seen is ProbeOutcome.REFUSED
    assert TOKEN not in shown
    assert KEY not in shown
    assert "ZXAta2V5" not in repr(look)
    assert len(script.sent) == 2
