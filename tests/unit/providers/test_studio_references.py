from dataclasses import replace
from typing import Any

import pytest

from shared.errors import ConfigError, RelearnError
from shared.ports.storage import SignedBlob
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from tests.fakes.blobs import ACCOUNT, FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.batches import ACCOUNT_KEY, CONNECTION, JOB, KEYED, batch, keyed, request
from tests.unit.scripted import SAS, answering, refuses


def test_a_connection_string_replaces_signatures() -> None:
    service, script = keyed(answering(JOB))
    asked = request(training=KEYED)
    service.prepare(asked)
    body = script.sent[0].json()
    for location in (body["Inputs"]["input1"], body["Outputs"]["output1"]):
        assert set(location) == {"ConnectionString", "RelativeLocation"}
        assert location["ConnectionString"] == CONNECTION
    assert body["Inputs"]["input1"]["RelativeLocation"] == "training-data/census/new.csv"
    assert ACCOUNT_KEY not in repr(asked)


@pytest.mark.parametrize(
    "connection",
    [
        CONNECTION.replace("=account;", "=another;"),
        CONNECTION.replace("=account;", "=;"),
        f"BlobEndpoint={ACCOUNT};SharedAccessSignature=sv=2021-08-06&sig=c2lnbmF0dXJl",
        "UseDevelopmentStorage=true",
        "no connection string at all",
    ],
)
def test_a_connection_string_of_another_account_is_refused_by_name(connection: str) -> None:
    service, script = keyed(answering(JOB), connection=connection)
    with pytest.raises(ConfigError) as caught:
        service.prepare(request(training=KEYED))
    shown = str(caught.value)
    assert "training.connection_string" in shown
    assert "STORAGE" in shown
    assert connection not in shown
    assert ACCOUNT_KEY not in shown
    assert script.sent == []


def test_data_in_another_account_than_the_models_needs_another_connection_string() -> None:
    service, script = keyed(answering(JOB))
    elsewhere = replace(service, data=FakeBlobs(FakeClock(), account="lake"))
    with pytest.raises(ConfigError, match="than lake, where training-data/census/new"):
        elsewhere.prepare(request(training=KEYED))
    elsewhere = replace(service, models_account=FakeBlobs(FakeClock(), account="lake"))
    with pytest.raises(ConfigError, match="account than lake, where models/runs"):
        elsewhere.prepare(request(training=KEYED))
    assert script.sent == []


def test_an_id_that_holds_a_short_secret_is_kept_whole() -> None:
    service, _ = keyed(answering("abcdc2NvcmU0123"))
    asked = request(training=KEYED, parameters={"query": "${SHORT}"})
    assert service.prepare(asked) == "abcdc2NvcmU0123"


def test_the_case_of_an_accounts_name_does_not_matter() -> None:
    service, script = keyed(
        answering(JOB), connection=CONNECTION.replace("=account;", "=Account ;")
    )
    service.prepare(request(training=KEYED))
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500, 503, 504])
@pytest.mark.parametrize("shape", ["details", "message", "code", "text", "loose", "name"])
@pytest.mark.parametrize("echo", [CONNECTION, ACCOUNT_KEY, f'"{ACCOUNT_KEY}"', "c2NvcmU="])
def test_no_secret_of_a_job_comes_back_in_words(echo: str, shape: str, status: int) -> None:
    words = f"cannot use {echo} here"
    answer = {
        "details": answering({"error": {"code": "c", "details": [{"message": words}]}}, status),
        "message": answering({"error": {"code": "c", "message": words}}, status),
        "code": answering({"error": {"code": words, "message": "m"}}, status),
        "text": Answer(status, {}, words.encode()),
        "loose": answering([words, {"a": words}], status),
        "name": answering({words: 1}, status),
    }[shape]
    service, _ = keyed(answer)
    asked = request(training=KEYED, parameters={"query": "x=${SCORE_KEY}"})
    with pytest.raises(RelearnError) as caught:
        service.prepare(asked)
    known = [str(caught.value), repr(caught.value), repr(getattr(caught.value, "refusal", ""))]
    for secret in (CONNECTION, ACCOUNT_KEY, "c2NvcmU="):
        assert not [text for text in known if secret in text]


@pytest.mark.parametrize("before", [480, 490, 1970, 1980, 1990])
def test_half_an_account_key_does_not_come_back_either(before: int) -> None:
    service, _ = keyed(refuses(400, "c", message="x" * before + f" {ACCOUNT_KEY} " + "y" * 3000))
    with pytest.raises(StudioRefusedError) as caught:
        service.prepare(request(training=KEYED))
    assert ACCOUNT_KEY[:6] not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({}, SignedBlob(ACCOUNT, "c/x.ilearner", SAS)),
        ({"BaseLocation": ACCOUNT.rstrip("/")}, SignedBlob(ACCOUNT, "c/x.ilearner", SAS)),
        ({"BaseLocation": "http://a.b/"}, None),  # a signature is never sent in the clear
        (
            {"BaseLocation": "http://127.0.0.1:10000/account"},
            SignedBlob("http://127.0.0.1:10000/account/", "c/x.ilearner", SAS),
        ),
        ({"RelativeLocation": "/c/a b/x.csv"}, SignedBlob(ACCOUNT, "c/a b/x.csv", SAS)),
        ({"SasBlobToken": SAS[1:]}, SignedBlob(ACCOUNT, "c/x.ilearner", SAS)),
        ({"SasBlobToken": None}, SignedBlob(ACCOUNT, "c/x.ilearner", "")),
        ({"ConnectionString": CONNECTION}, SignedBlob(ACCOUNT, "c/x.ilearner", SAS)),
        ({"Size": 3, "Extra": {"a": []}}, SignedBlob(ACCOUNT, "c/x.ilearner", SAS)),
        ({"BaseLocation": None}, None),
        ({"BaseLocation": "account.blob.core.windows.net"}, None),
        ({"BaseLocation": "https://[::1"}, None),
        ({"BaseLocation": "ftp://a.b/"}, None),
        ({"BaseLocation": f"{ACCOUNT}?comp=list"}, None),
        ({"BaseLocation": 3}, None),
        ({"RelativeLocation": None}, None),
        ({"RelativeLocation": "/"}, None),
        ({"RelativeLocation": "container/"}, None),
        ({"RelativeLocation": ["c/x"]}, None),
    ],
)
def test_each_way_to_name_a_location_is_read_and_others_are_left_out(
    change: dict[str, Any], location: SignedBlob | None
) -> None:
    known = {"BaseLocation": ACCOUNT, "RelativeLocation": "c/x.ilearner", "SasBlobToken": SAS}
    reported = {"StatusCode": 4, "Results": {"output1": {**known, **change}, "empty": None}}
    service, _ = batch(answering(reported))
    assert service._state(JOB)[1] == ({"output1": location} if location else {})


@pytest.mark.parametrize("results", [None, [], "x", 3, {}, {"output1": "x"}, {"output1": [1]}])
def test_odd_results_are_no_results(results: object) -> None:
    service, _ = batch(answering({"StatusCode": "Finished", "Results": results}))
    assert service._state(JOB)[1] == {}
