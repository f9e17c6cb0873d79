"""A message of the queue of storage events does what the event of a blob trigger does."""

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from shared.core.run.record import Origin
from shared.errors import PermanentError, TransientError
from shared.intake.search import Search
from tests.fakes.world import DATA, MODELS, World

PROMOTED = "promote/sample/by-hand.ilearner"
SCRATCH = ".relearn/scratch/0a1b"


@pytest.fixture
def world() -> World:
    return World()


def message(
    name: str, container: str = DATA, *, account: str = "account", kind: str = "BlobCreated"
) -> dict[str, Any]:
    url = f"https://{account}.blob.core.windows.net/{container}/{quote(name)}"
    data = {"api": "PutBlob", "contentLength": 3, "url": url, "destinationUrl": url}
    return {
        "topic": f"/subscriptions/s/providers/Microsoft.Storage/storageAccounts/{account}",
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "eventType": f"Microsoft.Storage.{kind}",
        "data": data,
    }


def deliver(world: World, *messages: Any) -> None:
    for one in messages:
        world.app.storage_events.received(json.dumps(one).encode())


def test_repeated_events_in_any_schema_open_one_run(
    world: World,
) -> None:
    world.upload()
    event = message("new.csv")
    cloud = {**event, "specversion": "1.0", "source": event["topic"], "type": event["eventType"]}
    deliver(world, event, event, [event], {k: v for k, v in cloud.items() if k != "eventType"})
    world.app.storage_events.received(b64encode(json.dumps(event).encode()))
    world.deliver()  # by a blob trigger, too
    assert world.run().origin is Origin.DATA
    assert len(world.starts) == 1


@pytest.mark.parametrize(
    "name", ["with space.csv", "100%25.csv", "a+b.csv", "hash#.csv", "数据.csv", "what?.csv"]
)
def test_any_name_opens_a_run(world: World, name: str) -> None:
    world.upload(name)
    deliver(world, message(name))
    assert [blob.name for blob in world.run().manifest] == [name]


def test_a_renamed_blob_opens_a_run(world: World) -> None:
    world.upload("renamed.csv")
    deliver(world, message("renamed.csv", kind="BlobRenamed"))
    assert [blob.name for blob in world.run().manifest] == ["renamed.csv"]


def test_a_model_of_an_operator_opens_a_run(world: World) -> None:
    world.blobs.put(MODELS, PROMOTED, b"model")
    deliver(world, message(PROMOTED, MODELS), message(PROMOTED, MODELS))
    assert world.run().origin is Origin.MODEL


def test_the_model_of_a_job_advances_its_run(world: World) -> None:
    world.upload()
    deliver(world, message("new.csv"))
    world.studio.work()
    (model,) = [
        blob.name for blob in world.blobs.listing(MODELS, "runs/") if "ilearner" in blob.name
    ]
    deliver(world, message(model, MODELS))
    assert world.run().phase == "verifying"


@pytest.mark.parametrize(
    "foreign",
    [
        message("new.csv", "other"),
        message("new.csv", f"{DATA}-2"),
        message("new.csv", "ledger"),
        message("new.csv", account="otheraccount"),
        message("new.csv", kind="BlobDeleted"),
        {**message("new.csv"), "eventType": "Microsoft.MachineLearningServices.RunCompleted"},
    ],
)
def test_a_foreign_event_is_passed_over_with_a_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, foreign: dict[str, Any]
) -> None:
    caplog.set_level("INFO")
    world.upload()
    deliver(world, foreign)
    assert not world.runs()
    assert "is passed over" in caplog.text


def test_a_line_about_a_foreign_event_is_short_and_holds_no_part_of_a_secret(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    secret = world.environment["TRAINING_KEY"]
    beginning = f"/blobServices/default/containers/{'o' * 63}/blobs/"
    for part in range(1, len(secret)):  # wherever the name is cut
        foreign = message("x")
        foreign["subject"] = beginning.ljust(1000 - part, "z") + secret
        deliver(world, foreign)
    far = message("x")
    far |= {"subject": "", "topic": ""}
    far["data"]["url"] = f"https://{'a' * 30_000}.blob.core.windows.net/{'c' * 30_000}/x"
    deliver(world, far)
    assert len(caplog.messages) == len(secret)
    assert max(map(len, caplog.messages)) < 1500
    assert not [line for line in caplog.messages if secret[:4] in line]


def test_names_of_accounts_and_containers_have_no_case(world: World) -> None:
    world.upload()
    event = message("new.csv", DATA.upper(), account="ACCOUNT")
    deliver(world, event)
    assert world.runs()


def test_a_message_that_is_not_an_event_fails_with_advice(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.upload()
    with pytest.raises(PermanentError):
        deliver(world, [message("new.csv"), "no event"])
    assert world.runs()  # what came before it is not lost
    assert "on_storage_events: a message of a queue is not an event" in caplog.text
    assert "To do:" in caplog.text


def test_a_message_fails_only_while_it_could_not_be_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload()

    def unreachable(*_: object) -> None:
        raise TransientError("the storage account cannot be reached")

    with monkeypatch.context() as patched:
        patched.setattr(world.documents, "create", unreachable)
        with pytest.raises(TransientError):
            deliver(world, message("new.csv"))
    deliver(world, message("new.csv"))
    assert len(world.starts) == 1


@pytest.mark.parametrize("function", ["on_storage_events", "on_training_data"])
def test_a_scratch_blob_is_recorded_and_opens_nothing(function: str) -> None:
    world = World(config={"pipeline": {"data": {"blob": "{a}/{b}/{c}"}}})
    for end in ("1", "2"):
        name = SCRATCH + end
        world.upload(name)
        if function == "on_storage_events":
            deliver(world, message(name))
        else:
            world.deliver(name)
        stored = world.context.ledger.last_event.read()
        assert stored is not None
        assert (stored.record.blob, stored.record.function) == (name, function)
        assert stored.record.at == world.context.clock.now()
    assert not world.runs()


def test_many_events_of_a_scratch_blob_at_once_are_recorded_once(world: World) -> None:
    deliver(world, message(SCRATCH))
    first = world.documents.rows["last_event"].etag
    deliver(world, message(SCRATCH), message(SCRATCH))
    assert world.documents.rows["last_event"].etag == first
    world.clock.move(timedelta(minutes=1))
    deliver(world, message(SCRATCH))
    assert world.documents.rows["last_event"].etag != first


@pytest.mark.parametrize("name", [".relearn/a.csv", ".relearn/scratch/a/b", ".relearn/scratch/"])
def test_other_blobs_of_the_apps_own_are_not_recorded(world: World, name: str) -> None:
    deliver(world, message(name))
    assert world.context.ledger.last_event.read() is None


def test_a_record_that_is_not_understood_is_left_and_fails_no_event(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.documents.create("last_event", b"{}")
    deliver(world, message(SCRATCH))
    assert world.documents.rows["last_event"].body == b"{}"
    assert "last_event is not understood" in caplog.text


def test_neither_search_nor_listing_nor_request_takes_a_scratch_blob() -> None:
    world = World(config={"pipeline": {"data": {"blob": "{a}/{b}/{c}"}}})
    world.upload(SCRATCH)
    world.clock.move(timedelta(hours=1))
    search: Search = world.app.search
    search.run_until(world.clock.now() + timedelta(minutes=1))
    for _ in range(3):
        world.app.full_listings.run_until(world.clock.now() + timedelta(minutes=1))
        world.clock.move(timedelta(days=2))
    assert not world.runs()
    [blob] = world.blobs.listing(DATA, "")
    assert world.app.search.data.versions(blob) == []
