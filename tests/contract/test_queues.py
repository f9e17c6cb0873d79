"""Every `Queues` adapter counts messages alike: the fake, and a real storage server."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from azure.storage.queue import QueueServiceClient

from local.azurite import ACCOUNT_KEY, ACCOUNT_NAME, Azurite
from shared.errors import PermanentError, TransientError
from shared.ports.storage import Queues
from shared.providers.azure_storage.queues import AccountQueues
from tests.fakes.queues import FakeQueues

NAME = "AzureWebJobsStorage"


@dataclass
class Bench:
    queues: Queues
    send: Callable[[str, int], None]  #: makes the queue


@pytest.fixture(params=["memory", "azurite"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        fake = FakeQueues()
        return Bench(fake, fake.put)
    azurite: Azurite = request.getfixturevalue("azurite")
    service = QueueServiceClient.from_connection_string(azurite.connection_string)

    def send(name: str, messages: int) -> None:
        queue = service.create_queue(name)
        for number in range(messages):
            queue.send_message(str(number))

    return Bench(real(azurite.connection_string), send)


def real(connection: str, **identity: str) -> AccountQueues:
    environment = {NAME: connection, **identity}
    return AccountQueues(environment, NAME, "devstoreaccount1", development=True)


def test_messages_are_counted(bench: Bench) -> None:
    name = f"queue-{uuid.uuid4().hex}"
    bench.send(name, 3)
    assert bench.queues.count(name) == 3


def test_an_empty_queue_and_none_are_distinguished(bench: Bench) -> None:
    name = f"queue-{uuid.uuid4().hex}"
    assert bench.queues.count(name) is None
    bench.send(name, 0)
    assert bench.queues.count(name) == 0


def test_the_account_is_named(bench: Bench) -> None:
    assert bench.queues.account in ("account", ACCOUNT_NAME)


def test_a_refusal_says_what_to_look_at(azurite: Azurite) -> None:
    wrong = azurite.connection_string.replace(ACCOUNT_KEY, "a2V5")
    with pytest.raises(
        PermanentError, match=r"count the messages of queue queue-1: .*access denied"
    ):
        real(wrong).count("queue-1")


def test_an_account_that_does_not_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.providers.azure_storage.queues.STORAGE_REPEATS", 0)
    nowhere = (
        f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={ACCOUNT_KEY};"
        "BlobEndpoint=http://127.0.0.1:9/a;QueueEndpoint=http://127.0.0.1:9/a"
    )
    with pytest.raises(TransientError, match="cannot be reached"):
        real(nowhere).count("queue")


def test_blobs_on_this_machine_without_an_address_of_queues_have_no_queues() -> None:
    blobs_alone = f"AccountName=a;AccountKey={ACCOUNT_KEY};BlobEndpoint=http://127.0.0.1:9/a"
    assert real(blobs_alone).count("queue") is None


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({f"{NAME}__queueServiceUri": "https://q.example.com"}, "https://q.example.com/"),
        ({f"{NAME}__accountName": "mine"}, "https://mine.queue.core.windows.net/"),
        (
            {
                f"{NAME}__accountName": "mine",
                f"{NAME}__credential": "managedidentity",
                f"{NAME}__clientId": "c",
            },
            "https://mine.queue.core.windows.net/",
        ),
    ],
)
def test_an_identity_names_the_account_or_its_address(
    settings: dict[str, str], address: str
) -> None:
    client = real("", **settings)._client
    assert client is not None
    assert client.url == address


def test_an_identity_without_an_address_of_queues_has_none() -> None:
    queues = real("", **{f"{NAME}__blobServiceUri": "https://mine.blob.core.windows.net"})
    assert queues.count("queue") is None
