"""Signed URLs of the app's own storage: good at once on every clock, and for all of their time."""

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import BlobServiceClient, UserDelegationKey

from shared.ports.storage import Access
from shared.providers.azure_storage.blobs import AccountBlobs
from tests.fakes.clock import FakeClock

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
KEY = b64encode(b"key").decode()


@dataclass
class Account:
    """A storage account, reached by its key or by an identity that is given keys for a time."""

    credential: Any
    account_name: str = "account"
    url: str = "https://account.blob.core.windows.net/"
    given: list[UserDelegationKey] = field(default_factory=list)

    def get_user_delegation_key(self, start: datetime, expiry: datetime) -> UserDelegationKey:
        key = UserDelegationKey()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        key.signed_oid = key.signed_tid = "1"
        key.signed_start, key.signed_expiry = start.isoformat(), expiry.isoformat()
        key.signed_service, key.signed_version, key.value = "b", "2021-08-06", KEY
        self.given.append(key)
        return key


def by_key() -> Account:
    return Account(SimpleNamespace(account_key=KEY))


def by_identity() -> Account:
    return Account(object())


def over(account: Account, clock: FakeClock) -> AccountBlobs:
    return AccountBlobs(cast("BlobServiceClient", account), clock, https_only=True)


def times_of(blobs: AccountBlobs, valid: timedelta) -> dict[str, datetime]:
    """Sign a blob, and return the times in its query."""
    token = blobs.sign("training-data", "a.csv", Access.READ, valid).signature
    query = parse_qs(token.removeprefix("?"))
    known = {name: query[name][0] for name in ("st", "se", "skt", "ske") if name in query}
    return {name: datetime.fromisoformat(at).astimezone(UTC) for name, at in known.items()}


@pytest.mark.parametrize("account", [by_key(), by_identity()], ids=["key", "identity"])
def test_a_signature_is_good_at_once_where_a_clock_is_minutes_behind(account: Account) -> None:
    clock = FakeClock()
    times = times_of(over(account, clock), HOUR)
    assert times["st"] <= clock.now() - 5 * MINUTE
    assert times.get("skt", times["st"]) <= times["st"]
    assert times["se"] == clock.now() + HOUR


def test_no_signature_outlives_the_key_that_it_was_made_with() -> None:
    clock, account = FakeClock(), by_identity()
    blobs = over(account, clock)
    for valid in (HOUR, HOUR, 3 * HOUR):
        times = times_of(blobs, valid)
        assert times["se"] <= times["ske"]
    assert len(account.given) == 1  # one that outlives them all serves them all
    clock.move(23 * HOUR)
    for valid in (HOUR / 2, 3 * HOUR, 48 * HOUR):
        times = times_of(blobs, valid)
        assert times["se"] <= times["ske"]
