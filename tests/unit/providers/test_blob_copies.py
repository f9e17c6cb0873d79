"""Copies of models from other storage: started once, and started again after a failure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from shared.errors import PermanentError, RecordLeasedError, RelearnError, TransientError
from shared.ports.storage import Access, SignedBlob
from shared.providers.azure_storage import copies as copies_module
from shared.providers.azure_storage.copies import BlobCopies
from tests.unit.samples import NOW

SOURCE = "https://elsewhere.blob.core.windows.net/c/x.ilearner?sig=x"
MINUTE = timedelta(minutes=1)


@dataclass
class Blob:
    """A target in the state that an earlier copy left it in; also the client that may write it."""

    status: str | None
    becomes: str = "success"
    modified: Any = NOW
    refusal: Exception | None = None
    conditions: list[Any] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    @property
    def starts(self) -> int:
        return len(self.conditions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start_copy_from_url(self, source: str, *, match_condition: Any, etag: str = "") -> None:
        assert source == SOURCE
        if self.refusal is not None:
            raise self.refusal
        self.conditions.append((match_condition, etag))
        self.status, self.modified = self.becomes, NOW + MINUTE

    def abort_copy(self, copy_id: str) -> None:
        self.stopped.append(copy_id)
        self.status = "aborted"

    def get_blob_properties(self) -> Any:
        if self.status is None:
            raise ResourceNotFoundError
        copy = SimpleNamespace(status=self.status, id="c1")
        return SimpleNamespace(copy=copy, etag='"1"', last_modified=self.modified)


@dataclass
class Opened(Blob):
    """The clients that are made without the account's credential, and what they are for."""

    made: list[tuple[str, ...]] = field(default_factory=list)
    refuses: int = 0  #: the status of a check with only a signature

    def start_copy_from_url(self, source: str, **_: Any) -> None:
        self.conditions.append(source)
        self.status = "success"

    def get_blob_properties(self) -> Any:
        return SimpleNamespace()

    def client(self, *location: str, credential: str) -> Any:
        self.made.append((*location, credential))
        if not self.refuses or credential == "sig=w":
            return self
        blob = Blob(None)
        refused = HttpResponseError("no")
        refused.status_code = self.refuses

        def check() -> None:
            raise refused

        blob.get_blob_properties = check  # type: ignore[method-assign]
        return blob


OWN = "https://account.blob.core.windows.net/"


def copied_within(
    blob: Opened, monkeypatch: pytest.MonkeyPatch, url: str = f"{OWN}secrets/host.json?sig=x"
) -> bool:
    target = SimpleNamespace(get_blob_properties=lambda: Blob(blob.status).get_blob_properties())
    account = SimpleNamespace(get_blob_client=lambda *_: target, account_name="account", url=OWN)
    monkeypatch.setattr(copies_module, "BlobClient", blob.client)

    def sign(*_: object) -> SignedBlob:
        return SignedBlob("", "", "?sig=w")

    made = BlobCopies(cast("BlobServiceClient", account), sign, {})
    return made.copied(url, "models", "y.ilearner", None)


# A storage server authorises a copy within one account by the account's own key, so that the
# signature in the source's URL is worth nothing there; the one for development does not do so.


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_a_copy_within_our_account_is_not_asked_for_before_its_signature_opened_the_blob(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = Opened(None, refuses=status)
    assert not copied_within(blob, monkeypatch)
    assert blob.made == [(OWN, "secrets", "host.json", "sig=x")]
    assert not blob.starts


def test_a_check_that_shows_nothing_is_repeated_later(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = Opened(None, refuses=503)
    with pytest.raises(TransientError):
        copied_within(blob, monkeypatch)
    assert not blob.starts


@pytest.mark.parametrize(
    "url",
    [
        f"{OWN}secrets/host.json?sig=x",
        "https://ACCOUNT-secondary.blob.core.windows.net/secrets/host.json?sig=x",
        "https://account.privatelink.blob.core.windows.net./secrets/host.json?sig=x",
        "http://account.blob.core.windows.net:80/secrets/%68ost.json?sig=x",
    ],
)
def test_a_copy_is_asked_for_by_a_signature_for_its_target_alone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = Opened(None)
    copied_within(blob, monkeypatch, url)
    checked, asked = blob.made
    assert checked == (OWN, "secrets", "host.json", "sig=x")
    assert asked == (OWN, "models", "y.ilearner", "sig=w")
    assert blob.conditions == [f"{OWN}secrets/host.json?sig=x"]


Copy = Callable[..., bool]


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Callable[[Blob], Copy]:
    def over(blob: Blob) -> Copy:
        account = SimpleNamespace(
            get_blob_client=lambda *_: blob,
            account_name="account",
            url="https://account.blob.core.windows.net/",
        )
        monkeypatch.setattr(copies_module, "BlobClient", lambda *_, **__: blob)

        def sign(container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
            assert access is Access.WRITE
            return SignedBlob("", f"{container}/{name}", "?sig=w")

        made = BlobCopies(cast("BlobServiceClient", account), sign, {})
        return lambda since=None: made.copied(SOURCE, "models", "y.ilearner", since)

    return over


def test_a_copy_is_begun_once(copies: Callable[[Blob], Copy]) -> None:
    blob = Blob(status=None)
    for _ in range(2):
        assert copies(blob)(NOW)
    assert blob.conditions == [(MatchConditions.IfMissing, "")]


@pytest.mark.parametrize("status", ["failed", "aborted"])
def test_a_copy_that_failed_is_begun_again(status: str, copies: Callable[[Blob], Copy]) -> None:
    blob = Blob(status)
    assert copies(blob)()
    assert blob.starts == 1


def test_a_copy_under_way_is_waited_for(copies: Callable[[Blob], Copy]) -> None:
    blob = Blob(status="pending")
    with pytest.raises(TransientError, match="under way"):
        copies(blob)(NOW)
    assert blob.starts == 0


@pytest.mark.parametrize("status", ["success", "no copy at all"])
def test_what_is_older_is_copied_again_over_exactly_what_was_seen(
    status: str, copies: Callable[[Blob], Copy]
) -> None:
    blob = Blob(status)
    for _ in range(2):
        assert copies(blob)(NOW + MINUTE)
    assert blob.conditions == [(MatchConditions.IfNotModified, '"1"')]


def test_an_older_copy_that_is_still_under_way_is_stopped_first(
    copies: Callable[[Blob], Copy],
) -> None:
    blob = Blob(status="pending")
    assert copies(blob)(NOW + MINUTE)
    assert (blob.stopped, blob.starts) == (["c1"], 1)


def test_a_file_that_is_no_copy_and_not_older_is_not_taken_for_one(
    copies: Callable[[Blob], Copy],
) -> None:
    blob = Blob(status="no copy at all")
    assert not copies(blob)(NOW)
    assert blob.starts == 0


def refusal(status: int, code: str) -> HttpResponseError:
    made = HttpResponseError(code)
    made.status_code, made.error_code = status, code  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize(
    ("status", "code", "raised", "words"),
    [
        (409, "BlobAlreadyExists", TransientError, "another worker"),
        (412, "TargetConditionNotMet", TransientError, "another worker"),
        (409, "PendingCopyOperation", TransientError, "is under way"),
        (412, "LeaseIdMissing", RecordLeasedError, "break the lease"),
        (409, "BlobArchived", PermanentError, "archive tier"),
        (500, "InternalError", TransientError, "InternalError"),
    ],
)
def test_a_target_that_is_refused_is_not_taken_for_a_source_that_cannot_be_read(
    status: int,
    code: str,
    raised: type[RelearnError],
    words: str,
    copies: Callable[[Blob], Copy],
) -> None:
    blob = Blob(status=None, refusal=refusal(status, code))
    with pytest.raises(raised, match=words):
        copies(blob)()


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_a_source_that_cannot_be_read_is_no_error(
    status: int, copies: Callable[[Blob], Copy]
) -> None:
    refused = refusal(status, "CannotVerifyCopySource")
    assert not copies(Blob(status=None, refusal=refused))()
