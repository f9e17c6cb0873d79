"""The documented requests and answers of batch execution, replayed through the client."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.core.config.setting_references import resolve
from shared.core.config.studio_training import StudioTraining
from shared.ports.storage import Access, SignedBlob
from shared.ports.training import JobRequest
from shared.providers.http.client import Answer
from shared.providers.studio.batch import StudioBatch
from shared.providers.studio.call import StudioCall
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.batches import JOB, batch, request
from tests.unit.samples import blob, tree
from tests.unit.scripted import KEY, Script, answering
from tests.unit.vectors import FOLDER, rows, vector

SUBMITTED = sorted(file.stem for file in FOLDER.glob("submit_*.json"))
ENDED = ("finished_documented", "finished_real", "finished_number", "failed_real")
#: Everything that a job may hold (studio-classic §1.2).
MEMBERS = {"Input", "Inputs", "Outputs", "GlobalParameters", "AzureBatchPoolId"}
PARTS = {"ConnectionString", "BaseLocation", "RelativeLocation", "SasBlobToken"}
TOKENS = {
    Access.READ: "?sv=2021-08-06&sr=b&sp=r&sig=UkVBRA%3D%3D",
    Access.WRITE: "?sv=2021-08-06&sr=b&sp=cw&sig=V1JJVEU%3D",
}


class Account(FakeBlobs):
    """A storage account with a name of its own, and signatures that are known."""

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        base = f"https://{self.account}.blob.core.windows.net/"
        return SignedBlob(base, f"{container}/{name}", TOKENS[access])


def submitted(known: dict[str, Any]) -> tuple[str, Any]:
    """Return where a job as the vector describes it is sent, and its body."""
    script, blobs = Script([answering(JOB)]), Account(FakeClock(), account=known["account"])
    settings = {**known["settings"], "TRAINING_KEY": KEY}
    written = {**tree()["training"], "outputs": {}, **known["training"], "service": known["url"]}
    training = StudioTraining.model_validate(written, context={"development": False})
    call = StudioCall(script, partial(resolve, settings), training.api_key)
    container, _, name = (known["data"] or "").partition("/")
    data = blob(name, container=container) if name else None
    service = StudioBatch(call, training.service, blobs, blobs, known["models_container"])
    job = JobRequest(
        run_id="r1",
        attempt=1,
        inputs=dict.fromkeys(training.sources, data) if data else {},
        outputs=known["outputs"],
        parameters=known["parameters"],
        training=training,
    )
    assert service.prepare(job) == JOB
    return script.sent[0].url, script.sent[0].json()


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body without the differences of its forms: nulls, and the leading slash."""
    kept: dict[str, Any] = {}
    for name, value in body.items():
        if isinstance(value, dict):
            value = plain(value)  # noqa: PLW2901 -- the same value, plain
        if name == "RelativeLocation":
            value = value.lstrip("/")  # noqa: PLW2901
        if value not in (None, {}):
            kept[name] = value
    return kept


def references(body: dict[str, Any]) -> list[dict[str, str]]:
    single = [body["Input"]] if "Input" in body else []
    named = [*body.get("Inputs", {}).values(), *body.get("Outputs", {}).values()]
    return single + named


@pytest.mark.parametrize("name", SUBMITTED)
def test_each_form_of_a_job_is_sent_member_by_member_as_documented(name: str) -> None:
    known = vector(name)
    url, body = submitted(known)
    assert url == known["sent_to"]
    assert body == known["body"]
    assert plain(body) == plain(known["documented"])


@pytest.mark.parametrize("name", SUBMITTED)
def test_no_member_is_sent_that_the_service_does_not_know(name: str) -> None:
    _, body = submitted(vector(name))
    assert set(body) <= MEMBERS
    assert not {"Input", "Inputs"} <= set(body)
    for reference in references(body):
        assert set(reference) <= PARTS
        assert ("ConnectionString" in reference) != ("SasBlobToken" in reference)
        assert all(reference.values())
        assert not reference["RelativeLocation"].startswith("/")


def test_a_number_stays_a_number_and_a_truth_a_truth() -> None:
    _, body = submitted(vector("submit_signed"))
    kinds = {name: type(value) for name, value in body["GlobalParameters"].items()}
    assert kinds["Random seed"] is int
    assert kinds["Learning rate"] is float
    assert kinds["Shuffle"] is bool
    assert kinds["Data date"] is str


@pytest.mark.parametrize("row", rows("status_job_ids"), ids=lambda row: str(row["id"]))
def test_the_id_of_a_job_is_read_from_the_wire(row: dict[str, str]) -> None:
    service, _ = batch(Answer(200, {}, row["wire"].encode()))
    assert service.prepare(request()) == row["id"]


@pytest.mark.parametrize("name", ENDED)
def test_each_answer_of_a_job_that_ended_is_read(name: str) -> None:
    known = vector(f"status_{name}")
    service, _ = batch(answering(known["body"]), answering(known["body"]))
    state = service.state(JOB)
    assert state.status == known["status"]
    assert state.details == known["details"]
    locations = {
        output: [location.account_url, location.path, location.signature]
        for output, location in service._state(JOB)[1].items()
    }
    assert locations == known["results"]
    assert "sig=" not in repr(state)


@pytest.mark.parametrize("row", rows("status_states"), ids=lambda row: str(row["body"]))
def test_each_name_and_number_of_a_state_is_read(row: dict[str, Any]) -> None:
    service, _ = batch(answering(row["body"]), answering(row["body"]))
    state = service.state(JOB)
    assert (state.status, state.details) == (row["status"], "")
    assert service._state(JOB)[1] == {}
