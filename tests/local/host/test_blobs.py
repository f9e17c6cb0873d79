"""Blob functions: found by listing, by events and on request."""

import base64
import hashlib
import json
from typing import Any

import pytest
import requests
from azure.storage.queue import QueueClient

from local.host.deliveries import POISON_QUEUE
from local.host.process import HostProcess
from tests.local.host.conftest import ToyHost
from tests.waiting import eventually

NAMES = [
    "plain.csv",
    "sub/folder/deep.csv",
    "with space.csv",
    "hash#100%25.csv",
    "quote'\"&<>+.csv",
    "ünïcödé-数据.csv",
    "x" * (1000 - len("in/.csv")) + ".csv",
]


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_arrives_by_reference(shared_toy: ToyHost, name: str) -> None:
    blob = shared_toy.container.upload_blob(f"in/{name}", b"1")
    etag = blob.get_blob_properties().etag
    [note] = shared_toy.wait_for("on_client", name=f"in/{name}")
    assert (note["container"], note["etag"]) == (shared_toy.container_name, etag)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("size", [0, 5_000_000])
def test_content_arrives_with_its_properties(shared_toy: ToyHost, size: int) -> None:
    content = b"\x00\xff" * (size // 2)
    name = f"stream/{size} %.bin"
    blob = shared_toy.container.upload_blob(name, content, metadata={"who": "me"})
    [note] = shared_toy.wait_for("on_stream", name=f"{shared_toy.container_name}/{name}")
    assert note["digest"] == hashlib.sha256(content).hexdigest()
    assert note["length"] == (size or None)  # the library reads a length of 0 as unknown
    assert note["uri"] == blob.url
    assert note["etag"] == blob.get_blob_properties().etag
    assert note["metadata"] == {"who": "me"}


@pytest.mark.usefixtures("host")
def test_a_new_version_comes_again_and_other_names_never(shared_toy: ToyHost) -> None:
    shared_toy.container.upload_blob("in/other.txt", b"1")
    shared_toy.container.upload_blob("in/twice.csv", b"1")
    shared_toy.wait_for("on_client", name="in/twice.csv")
    shared_toy.container.upload_blob("in/twice.csv", b"2", overwrite=True)
    shared_toy.wait_for("on_client", 2, name="in/twice.csv")
    assert shared_toy.notes("on_client", name="in/other.txt") == []


@pytest.mark.usefixtures("host")
def test_five_failures_end_on_the_poison_queue(shared_toy: ToyHost) -> None:
    blob = shared_toy.container.upload_blob("poison/ä.csv", b"1")
    queue = QueueClient.from_connection_string(shared_toy.connection_string, POISON_QUEUE)
    with queue:
        [message] = eventually(lambda: _messages(queue, shared_toy.container_name, "poison/ä.csv"))
    assert message == {
        "FunctionId": "Host.Functions.on_poison",
        "BlobType": "BlockBlob",
        "ContainerName": shared_toy.container_name,
        "BlobName": "poison/ä.csv",
        "ETag": blob.get_blob_properties().etag,
    }
    assert len(shared_toy.notes("on_poison", name="poison/ä.csv")) == 5


def _messages(queue: QueueClient, container: str, blob: str) -> list[dict[str, Any]]:
    try:
        found = [json.loads(base64.b64decode(m.content)) for m in queue.peek_messages(32)]
    except Exception:  # noqa: BLE001 - the queue is made with its first message
        return []
    wanted = (container, blob)
    return [one for one in found if (one["ContainerName"], one["BlobName"]) == wanted]


def _event(url: str) -> dict[str, Any]:
    return {
        "id": "1",
        "eventType": "Microsoft.Storage.BlobCreated",
        "subject": "",
        "data": {"url": url, "eTag": "0x1", "blobType": "BlockBlob"},
    }


def _post(host: HostProcess, function: str, body: object) -> requests.Response:
    return requests.post(
        f"{host.url}/runtime/webhooks/blobs",
        params={"functionName": f"Host.Functions.{function}", "code": "ignored"},
        data=body if isinstance(body, str) else json.dumps(body),
        timeout=10,
    )


def test_an_event_comes_each_time_without_receipt_pattern_or_etag(
    host: HostProcess, shared_toy: ToyHost
) -> None:
    blob = shared_toy.container.upload_blob("elsewhere/a b#ü.txt", b"1")
    for body in ([_event(blob.url)], _event(blob.url)):
        assert _post(host, "on_client", body).status_code == 202
    cloud = {"specversion": "1.0", "type": "Microsoft.Storage.BlobCreated"}
    cloud["data"] = {"url": blob.url}  # type: ignore[assignment]  # one object among texts
    assert _post(host, "on_client", cloud).status_code == 202
    shared_toy.wait_for("on_client", 3, name="elsewhere/a b#ü.txt")


def test_an_event_about_a_blob_that_is_gone_is_dropped(
    host: HostProcess, shared_toy: ToyHost
) -> None:
    gone = f"{shared_toy.container.url}/elsewhere/gone.csv"
    there = shared_toy.container.upload_blob("elsewhere/there.csv", b"1")
    assert _post(host, "on_client", [_event(gone), _event(there.url)]).status_code == 202
    shared_toy.wait_for("on_client", name="elsewhere/there.csv")
    assert "elsewhere/gone.csv" not in host.log


def test_a_failing_event_ends_on_the_poison_queue(host: HostProcess, shared_toy: ToyHost) -> None:
    blob = shared_toy.container.upload_blob("elsewhere/poison.csv", b"1")
    _post(host, "on_poison", _event(blob.url))
    with QueueClient.from_connection_string(shared_toy.connection_string, POISON_QUEUE) as queue:
        eventually(lambda: _messages(queue, shared_toy.container_name, "elsewhere/poison.csv"))


def test_a_subscription_is_validated(host: HostProcess) -> None:
    event = {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "the code"},
    }
    assert _post(host, "on_client", [event]).json() == {"validationResponse": "the code"}
    answer = requests.options(
        f"{host.url}/runtime/webhooks/blobs",
        headers={"WebHook-Request-Origin": "eventgrid.example"},
        timeout=10,
    )
    assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.example"


@pytest.mark.parametrize("body", ["{", "[1]", "{}", '{"data": {}}', '{"data": {"url": "x"}}'])
def test_malformed_events(host: HostProcess, body: str) -> None:
    assert _post(host, "on_client", body).status_code == 400


@pytest.mark.parametrize("function", ["unknown", "tick", ""])
def test_events_for_no_blob_function(host: HostProcess, shared_toy: ToyHost, function: str) -> None:
    event = _event(f"{shared_toy.container.url}/in/x.csv")
    assert _post(host, function, event).status_code == 404


def test_a_blob_function_started_manually(host: HostProcess, shared_toy: ToyHost) -> None:
    shared_toy.container.upload_blob("elsewhere/hand.csv", b"1")
    path = f"{shared_toy.container_name}/elsewhere/hand.csv"
    url = f"{host.url}/admin/functions/on_client"
    assert requests.post(url, json={"input": path}, timeout=10).status_code == 202
    shared_toy.wait_for("on_client", name="elsewhere/hand.csv")
