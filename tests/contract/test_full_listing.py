"""The full listing over a real storage server, which cannot store a blob with an old time."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerClient

from local.azurite import Azurite, make_container
from shared.app import App, SystemClock, build
from shared.core.full_listing import EVERY, FullListing, ListingPlan, next_listing
from shared.intake import full_listings
from shared.providers.http.client import RequestsHttp

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NOT_IMPLEMENTED = 501
FILE = """
pipelines:
  sample:
    data: { blob: "{name}.csv" }
    when_busy: newest
    training:
      service: https://studio.example/workspaces/0123456789abcdef0123456789abcdef/services/0123456789abcdef0123456789abcdef/jobs
      api_key: ${TRAINING_KEY}
      outputs: { output1: model.ilearner }
"""


@dataclass
class Stage:
    """An app over real containers."""

    app: App
    data: ContainerClient

    def list_all(self) -> FullListing:
        self.app.full_listings.run_until(self.app.context.clock.now() + 4 * MINUTE)
        stored = self.app.context.ledger.full_listings().read()
        assert stored is not None
        return stored.record

    def begin(self) -> None:
        """Begin to record as if it were an hour later: this server dates every blob as new."""
        context = self.app.context
        place = f"{context.data.account}/{context.data_container}"
        later = context.clock.now() + HOUR
        state = next_listing(None, ListingPlan(place, frozenset({"sample"})), later)
        assert state is not None
        context.ledger.full_listings().put(state, None)

    def a_day_later(self) -> None:
        """Have the last listing be a day old."""
        ledger = self.app.context.ledger
        stored = ledger.full_listings().read()
        assert stored is not None
        began = stored.record.started_at - HOUR - EVERY
        ledger.full_listings().put(
            stored.record.model_copy(update={"started_at": began}), stored.etag
        )


@pytest.fixture
def stage(azurite: Azurite, tmp_path: Path) -> Iterator[Stage]:
    mark = uuid.uuid4().hex
    environment = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "TRAINING_DATA_CONTAINER": f"data-{mark}",
        "MODELS_CONTAINER": f"models-{mark}",
        "LEDGER_CONTAINER": f"ledger-{mark}",
        "BLOB_SOURCE": "LogsAndContainerScan",
        "TRAINING_KEY": "a-key-of-no-use",
    }
    (tmp_path / "pipelines.yaml").write_text(FILE, encoding="utf-8")
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        data = make_container(account.get_container_client(environment["TRAINING_DATA_CONTAINER"]))
        for name in ("MODELS_CONTAINER", "LEDGER_CONTAINER"):
            make_container(account.get_container_client(environment[name]))
        built = build(environment, tmp_path, RequestsHttp(), SystemClock(), datetime.now(UTC))
        assert isinstance(built, App), built
        assert built.problems == ()
        yield Stage(built, data)


def test_what_existed_is_recorded_and_what_appears_waits_for_its_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_listings, "RECENT", timedelta())
    for name in ("a.csv", "b.csv"):
        stage.data.upload_blob(name, b"1,2\n")
    stage.begin()
    first = stage.list_all()
    assert (first.complete, first.listed) == (True, 2)
    stage.data.upload_blob("c.csv", b"3,4\n")
    stage.a_day_later()
    second = stage.list_all()
    assert (second.complete, second.found) == (True, 1)
    waiting = list(stage.app.context.ledger.inbox.entries())
    assert [(one.blob.name, one.appeared) for one in waiting] == [("c.csv", True)]
    stage.a_day_later()
    third = stage.list_all()
    assert (third.complete, third.listed, third.found) == (True, 3, 0)


def test_this_server_cannot_give_a_deleted_blob_back(stage: Stage) -> None:
    # Were it able to, the test above would need no other time.
    blob = stage.data.upload_blob("a.csv", b"1,2\n")
    blob.delete_blob()
    with pytest.raises(HttpResponseError) as refused:
        blob.undelete_blob()
    assert refused.value.status_code == NOT_IMPLEMENTED


def test_this_server_gives_a_copy_a_time_of_its_own(stage: Stage) -> None:
    source = stage.data.upload_blob("a.csv", b"1,2\n")
    copy = stage.data.get_blob_client("b.csv")
    copy.start_copy_from_url(source.url)
    before, after = source.get_blob_properties(), copy.get_blob_properties()
    assert after.etag != before.etag
    assert after.last_modified >= before.last_modified
