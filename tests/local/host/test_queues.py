"""Queue functions: their messages, and the handling of those that fail."""

import base64
import uuid
from typing import Any

import pytest
import requests
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from local.azurite import make_container
from local.host.config import RefusedError
from local.host.queues import QueueOptions
from tests.local.host.conftest import ToyHost
from tests.waiting import eventually


def queue_of(toy: ToyHost, end: str = "", **encoding: Any) -> QueueClient:
    service = QueueServiceClient.from_connection_string(toy.connection_string)
    name = toy.container_name + end
    if name not in [queue.name for queue in service.list_queues(name_starts_with=name)]:
        service.create_queue(name)
    return QueueClient.from_connection_string(toy.connection_string, name, **encoding)


def send(toy: ToyHost, text: str) -> None:
    """Send a message as Event Grid does."""
    with queue_of(toy, message_encode_policy=TextBase64EncodePolicy()) as queue:
        queue.send_message(text)


def poisoned(toy: ToyHost, content: str) -> bool:
    with queue_of(toy, "-poison") as queue:
        return content in [message.content for message in queue.peek_messages(32)]


@pytest.mark.usefixtures("host")
def test_a_message_arrives_decoded_with_what_is_known_of_it(shared_toy: ToyHost) -> None:
    text = f"ünïcödé 数据 {uuid.uuid4()}"
    send(shared_toy, text)
    [note] = shared_toy.wait_for("on_message", text=text)
    assert (note["tries"], note["known"]) == (1, True)
    with queue_of(shared_toy) as queue:
        eventually(lambda: not queue.get_queue_properties().approximate_message_count)


@pytest.mark.usefixtures("host")
def test_five_failures_end_on_the_poison_queue(shared_toy: ToyHost) -> None:
    text = f"fail {uuid.uuid4()}"
    send(shared_toy, text)
    encoded = base64.b64encode(text.encode()).decode()
    eventually(lambda: poisoned(shared_toy, encoded))
    tries = [note["tries"] for note in shared_toy.notes("on_message", text=text)]
    assert tries == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("host")
def test_a_message_that_is_not_encoded_is_given_up_at_once(shared_toy: ToyHost) -> None:
    text = f"not base64: {uuid.uuid4()}"
    with queue_of(shared_toy) as queue:
        queue.send_message(text)
    eventually(lambda: poisoned(shared_toy, text))
    assert shared_toy.notes("on_message", text=text) == []


def test_host_json_says_how_often_a_message_is_tried() -> None:
    assert QueueOptions.read({}) == QueueOptions(16, 8, 5, 0, base64=True)
    section = {
        "batchSize": 1,
        "newBatchThreshold": 0,
        "maxDequeueCount": "3",
        "visibilityTimeout": "00:00:30",
        "messageEncoding": "none",
    }
    assert QueueOptions.read(section) == QueueOptions(1, 0, 3, 30, base64=False)


@pytest.mark.parametrize("section", [{"batchSize": 33}, {"messageEncoding": "utf-7"}])
def test_options_that_no_host_takes_are_refused(section: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="batchSize is from 1 to 32"):
        QueueOptions.read(section)


@pytest.mark.parametrize(
    "form", ["AzureWebJobs.{}.Disabled", "AzureWebJobs_{}_Disabled"], ids=["dots", "Linux"]
)
def test_a_disabled_function_gets_nothing(forking: None, toy: ToyHost, form: str) -> None:
    make_container(toy.container)
    send(toy, "one")
    toy.container.upload_blob("in/a.csv", b"1")
    off = {form.format(name): "True" for name in ("on_message", "on_client", "echo")}
    with toy.process(**off) as host:
        toy.container.upload_blob("stream/b", b"1")
        toy.wait_for("on_stream")  # listed after the other, which would have come meanwhile
        assert requests.get(f"{host.url}/api/echo/a/b", timeout=10).status_code == 404
        assert requests.get(f"{host.url}/api/items/1", timeout=10).text == "1"
    assert not toy.notes("on_client")
    assert not toy.notes("on_message")
