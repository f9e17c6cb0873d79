"""The location of a model in the definition of a New web service."""

from dataclasses import dataclass
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.errors import PermanentError
from tests.fakes.blobs import ACCOUNT, FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.providers.web_service_scripts import FIRST, NAME, definition, naming, service
from tests.unit.samples import MODEL_BLOB, blob
from tests.unit.scripted import SAS, answering

ODD_NAMES = (
    "runs/sample/r 1/1/model.ilearner",
    "runs/100%/model.ilearner",
    "runs/%41/model.ilearner",
    "runs/a+b&c=d/model.ilearner",
    "runs/a?b#c/model.ilearner",
    "runs/\u00e4\u6587/model.ilearner",
    "runs//model.ilearner",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_of_a_blob_comes_back_as_it_was_sent(name: str) -> None:
    model = blob(name, container="models")
    one, script = service(answering(definition()), answering({}))
    one.update(model)
    sent = script.sent[1].json()
    uri = sent["properties"]["assets"]["asset3"]["locationInfo"]["uri"]
    assert uri.isascii()
    assert uri.endswith("model.ilearner")
    assert not set(uri.removeprefix("https:")) & set(" ?#")
    assert service(answering(sent))[0].check().configured == model.path
    current = service(answering(sent))[0].current()
    assert current.location == (ACCOUNT, model.path, "")


@dataclass
class LoopbackBlobs(FakeBlobs):
    """Storage whose account is in the path, as an emulator's does."""

    account: str = "devstoreaccount1"
    account_url: str = "http://127.0.0.1:10000/devstoreaccount1/"


def test_an_account_in_the_path_is_no_part_of_the_blobs_name() -> None:
    models = LoopbackBlobs(FakeClock())
    reported = definition(storageAccount={"name": "devstoreaccount1"})
    one, script = service(answering(reported), answering({}), models=models)
    one.update(MODEL_BLOB)
    sent = script.sent[1].json()
    uri = sent["properties"]["assets"]["asset3"]["locationInfo"]["uri"]
    assert uri == f"http://127.0.0.1:10000/devstoreaccount1/{MODEL_BLOB.path}"
    assert service(answering(sent), models=models)[0].check().configured == MODEL_BLOB.path
    current = service(answering(sent), models=models)[0].current()
    assert current.location == (models.account_url, MODEL_BLOB.path, "")


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        (FIRST, (ACCOUNT, "experimentoutput/first.ilearner", "")),
        (f"{FIRST}{SAS}", (ACCOUNT, "experimentoutput/first.ilearner", SAS)),
        ("https://other.example/c/x.ilearner", ("https://other.example/", "c/x.ilearner", "")),
        (
            "http://127.0.0.1:10000/another/c/x.ilearner",
            ("http://127.0.0.1:10000/", "another/c/x.ilearner", ""),
        ),
    ],
)
def test_what_served_before_is_reported_in_the_three_parts_it_is_copied_by(
    uri: str, location: tuple[str, str, str]
) -> None:
    for models in (FakeBlobs(FakeClock()), LoopbackBlobs(FakeClock())):
        if models.account_url.split("/")[2] in uri:
            break
    current = service(answering(naming(uri)), models=models)[0].current()
    assert current.location == location
    assert current.resources == (NAME,)
    assert not current.refreshable
    assert "c2lnbmF0dXJl" not in repr(current)


@pytest.mark.parametrize("uri", ["https://[half.an.address/x.ilearner", "text", "//", "?"])
def test_a_uri_that_is_none_is_reported_and_stops_nothing(uri: str) -> None:
    one, script = service(
        answering(naming(uri)), answering(naming(uri)), answering(naming(uri)), answering({})
    )
    one.current()
    assert one.check().configured != MODEL_BLOB.path
    one.update(MODEL_BLOB)
    assert script.sent[3].method == "PATCH"


def test_a_model_without_a_uri_is_no_location() -> None:
    current = service(answering(naming("")))[0].current()
    assert (current.location, current.resources) == (None, (NAME,))
    assert service(answering(naming("")))[0].check().configured is None


READ_ONLY = definition(readOnly=True)
ELSEWHERE = definition(storageAccount={"name": "differentaccount"})
HIDDEN = definition(payloadsInBlobStorage=True, assets=None)
NO_MODEL = definition(assets={})


@pytest.mark.parametrize(
    ("reported", "resource", "words"),
    [
        (READ_ONLY, None, "readOnly"),
        (ELSEWHERE, None, "differentaccount"),
        (ELSEWHERE, None, "ModelsStorage"),
        (HIDDEN, None, "definition in blob storage"),
        (HIDDEN, NAME, "definition in blob storage"),
        (NO_MODEL, None, "0 trained models"),
        (definition(), "Other [trained model]", NAME),
        (definition(), NAME.lower(), "correct `resource`"),
    ],
)
def test_what_can_never_be_updated_is_said_before_anything_is_sent(
    reported: dict[str, Any], resource: str | None, words: str
) -> None:
    one, script = service(answering(reported), resource=resource)
    with pytest.raises(PermanentError) as caught:
        one.update(MODEL_BLOB)
    assert words in str(caught.value)
    assert [sent.method for sent in script.sent] == ["GET"]


@pytest.mark.parametrize("account", ["account", "ACCOUNT", "", None])
def test_an_account_in_another_case_or_not_reported_is_no_other_one(account: str | None) -> None:
    one, script = service(answering(definition(storageAccount={"name": account})), answering({}))
    one.update(MODEL_BLOB)
    assert script.sent[1].method == "PATCH"


def test_of_several_models_the_named_one_alone_is_changed() -> None:
    reported = definition()
    reported["properties"]["assets"]["other"] = {
        "name": "Other [trained model]",
        "type": "Resource",
        "locationInfo": {"uri": f"{ACCOUNT}c/other.ilearner"},
    }
    with pytest.raises(PermanentError, match="2 trained models"):
        service(answering(reported))[0].update(MODEL_BLOB)
    one, script = service(answering(reported), answering({}), resource="Other [trained model]")
    one.update(MODEL_BLOB)
    assets = script.sent[1].json()["properties"]["assets"]
    assert assets["asset3"]["locationInfo"]["uri"] == FIRST
    assert assets["other"]["locationInfo"]["uri"] == f"{ACCOUNT}{MODEL_BLOB.path}"
    current = service(answering(reported), resource=NAME)[0].current()
    assert current.resources == (NAME, "Other [trained model]")
    assert current.location == (ACCOUNT, "experimentoutput/first.ilearner", "")


def test_a_model_is_any_blob_of_the_services_own_account() -> None:
    model: BlobVersion = blob("x.ilearner", container="elsewhere")
    one, script = service(answering(definition()), answering({}))
    one.update(model)
    sent = script.sent[1].json()["properties"]["assets"]["asset3"]["locationInfo"]["uri"]
    assert sent == f"{ACCOUNT}elsewhere/x.ilearner"
