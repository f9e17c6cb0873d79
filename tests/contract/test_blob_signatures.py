"""Signed URLs of every `Blobs` adapter, and the copies that are made by them."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite, make_container
from local.studio import BlobRefusedError, HttpBlobs
from shared.app import App, build
from shared.ports.storage import Access
from shared.providers.http.client import RequestsHttp
from tests.contract.conftest import HOUR, Bench


def signed_url(bench: Bench, blob: str, access: Access, valid: timedelta = HOUR) -> str:
    signed = bench.blobs.sign(bench.container, blob, access, valid)
    return f"{signed.account_url}{quote(signed.path)}{signed.signature}"


def test_a_read_signature_reads_this_blob_and_cannot_write(bench: Bench) -> None:
    bench.put("a b.csv", b"1")
    url = signed_url(bench, "a b.csv", Access.READ)
    assert bench.as_holder.read(url) == b"1"
    with pytest.raises(BlobRefusedError):
        bench.as_holder.write(url, b"2")


def test_a_write_signature_writes_and_overwrites_and_cannot_read(bench: Bench) -> None:
    url = signed_url(bench, "out.csv", Access.WRITE)
    bench.as_holder.write(url, b"1")
    bench.as_holder.write(url, b"2")
    with pytest.raises(BlobRefusedError):
        bench.as_holder.read(url)
    found = bench.blobs.head(bench.container, "out.csv")
    assert found is not None
    assert found.size == 1


def test_an_expired_signature_opens_nothing(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    with pytest.raises(BlobRefusedError):
        bench.as_holder.read(signed_url(bench, "a.csv", Access.READ, timedelta(seconds=-1)))


def test_a_model_of_another_account_is_copied_by_the_storage(bench: Bench) -> None:
    bench.put("theirs.ilearner", b"model")
    source = signed_url(bench, "theirs.ilearner", Access.READ)
    copied = bench.blobs.adopt(source, bench.container, "baselines/x.ilearner")
    assert copied is not None
    assert copied.size == 5
    assert bench.blobs.adopt(source, bench.container, "baselines/x.ilearner") is not None


def own_url(bench: Bench, blob: str, query: str) -> str:
    return f"{bench.blobs.account_url}{bench.container}/{quote(blob)}{query}"


def signatures(bench: Bench) -> dict[str, str]:
    """Return what a service might send along for `secret.json`, none of which opens it."""

    def signed(blob: str, access: Access, valid: timedelta = HOUR) -> str:
        return bench.blobs.sign(bench.container, blob, access, valid).signature

    good = signed("secret.json", Access.READ)
    return {
        "none": "",
        "empty": "?",
        "made up": "?sig=x",
        "forged": f"{good.partition('sig=')[0]}sig=Zm9yZ2Vk",
        "expired": signed("secret.json", Access.READ, timedelta(seconds=-1)),
        "to write": signed("secret.json", Access.WRITE),
        "of another blob": signed("other.json", Access.READ),
        "with more in it": f"{good}&comp=metadata",
        "twice": f"{good}&sp=r",
    }


@pytest.mark.parametrize(
    "which",
    [
        *("none", "empty", "made up", "forged", "expired", "to write", "of another blob"),
        *("with more in it", "twice"),
    ],
)
def test_a_blob_of_our_own_account_is_copied_only_by_a_signature_that_opens_it(
    bench: Bench, which: str
) -> None:
    bench.put("secret.json", b"keys")
    bench.put("other.json", b"open")
    source = own_url(bench, "secret.json", signatures(bench)[which])
    assert bench.blobs.adopt(source, bench.container, "baselines/x.ilearner") is None
    assert bench.blobs.head(bench.container, "baselines/x.ilearner") is None


@pytest.mark.parametrize("path", ["{container}/a/../secret.json", "{container}", "{container}/"])
def test_no_path_that_is_no_plain_blob_of_our_own_account_is_copied(
    bench: Bench, path: str
) -> None:
    bench.put("secret.json", b"keys")
    token = bench.blobs.sign(bench.container, "secret.json", Access.READ, HOUR).signature
    source = f"{bench.blobs.account_url}{path.format(container=bench.container)}{token}"
    assert bench.blobs.adopt(source, bench.container, "baselines/x.ilearner") is None


def test_a_target_from_before_is_copied_again_and_a_later_one_is_kept(bench: Bench) -> None:
    bench.put("theirs.ilearner", b"new")
    bench.put("out.ilearner", b"of an earlier job")
    source = signed_url(bench, "theirs.ilearner", Access.READ)
    before = bench.blobs.head(bench.container, "out.ilearner")
    assert before is not None
    long_ago, later = before.modified - HOUR, before.modified + HOUR
    target = (bench.container, "out.ilearner")
    assert bench.blobs.adopt(source, *target, since=long_ago) is None  # it is no copy
    copied = bench.blobs.adopt(source, *target, since=later)
    assert copied is not None
    assert bench.blobs.read(*target, 100) == b"new"
    bench.put("theirs.ilearner", b"newer still")
    assert bench.blobs.adopt(source, *target, since=long_ago) == copied


def test_a_model_that_cannot_be_read_is_not_copied(bench: Bench) -> None:
    source = signed_url(bench, "gone.ilearner", Access.READ)
    assert bench.blobs.adopt(source, bench.container, "baselines/y.ilearner") is None


def test_a_signature_does_not_show_in_a_representation(bench: Bench) -> None:
    signed = bench.blobs.sign(bench.container, "a.csv", Access.READ, HOUR)
    assert "sig" not in repr(signed)


@pytest.mark.parametrize("ahead", [timedelta(minutes=-25), timedelta(minutes=25)])
def test_a_host_whose_clock_is_wrong_signs_for_the_storages_time(
    ahead: timedelta, azurite: Azurite, tmp_path: Path
) -> None:
    class Wrong:
        def now(self) -> datetime:
            return datetime.now(UTC) + ahead

    environment = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "TRAINING_DATA_CONTAINER": "training-data",
        "MODELS_CONTAINER": f"models-{uuid.uuid4().hex}",
        "LEDGER_CONTAINER": f"ledger-{uuid.uuid4().hex}",
        "BLOB_SOURCE": "LogsAndContainerScan",
    }
    built = build(environment, tmp_path, RequestsHttp(), Wrong(), datetime.now(UTC))
    assert isinstance(built, App), built
    models, place = built.context.models, environment["MODELS_CONTAINER"]
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        make_container(account.get_container_client(place)).upload_blob("runs/x.ilearner", b"1")
    signed = models.sign(place, "runs/x.ilearner", Access.READ, HOUR / 6)
    source = f"{signed.account_url}{signed.path}{signed.signature}"
    holder = HttpBlobs()
    assert holder.read(source) == b"1"
    holder.close()
    assert models.adopt(source, place, "baselines/x.ilearner") is not None
