"""The checks of storage accounts: identity, clock, rights at each container, signatures, queues.

Training data is listed, and the right to read it is tried on a blob that does not exist: nothing
is ever written there, since a write would be an event. Elsewhere a blob of doctor's own is
written, read and deleted again, and one that a killed process left is deleted too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient, ContainerClient

from shared.core.counting import counted
from shared.core.findings import Finding, not_checked, ok, wrong
from shared.core.hosts import is_loopback
from shared.core.service import service
from shared.errors import RelearnError, TransientError
from shared.ports.checks import SCRATCH, Check, CheckedContainer, CheckedQueue, CheckedStorage
from shared.ports.clock import Clock
from shared.providers.azure_storage.accounts import account_of
from shared.providers.azure_storage.copies import name_of
from shared.providers.azure_storage.errors import code_of
from shared.providers.azure_storage.identities import identity_found
from shared.providers.azure_storage.queues import AccountQueues
from shared.providers.azure_storage.refusals import (
    BLOBS,
    CLOCK,
    QUEUES,
    Addressee,
    finding_of,
    moment,
    not_one,
    served_at,
)

T = TypeVar("T")
_STORAGE: Final = "storage"
#: Of a host and the storage: more makes signed URLs and requests by key fail sooner or later.
_MOST_APART: Final = timedelta(minutes=5)
#: A scratch blob that is older was left by a process that was killed.
_LEFT_BEHIND: Final = timedelta(hours=1)
_KEY_FOR: Final = timedelta(hours=1)
_DELEGATION: Final = (
    f"{BLOBS} (or Storage Blob Delegator besides, where roles are given for single containers)"
)
#: One repeat: a check ends within its time also where nothing answers.
_OPTIONS: Final[Mapping[str, Any]] = {
    "connection_timeout": 4,
    "read_timeout": 6,
    "retry_total": 1,
    "initial_backoff": 1,
    "increment_base": 1,
    "random_jitter_range": 1,
}


@service
class StorageChecks:
    """Makes the checks of the accounts that the settings name.

    Args:
        environment: the app settings.
        storage: the containers and queues.
        host: the clock of this host.
        new_id: draws the name of a scratch blob.
        development: whether plain http to this machine is allowed.
    """

    environment: Mapping[str, str]
    storage: CheckedStorage
    host: Clock
    new_id: Callable[[], str]
    development: bool

    def __call__(self) -> tuple[Check, ...]:
        """Return the checks, in order. Nothing is called by that."""
        return tuple(self._all())

    def _all(self) -> Iterator[Check]:
        accounts = self._accounts()
        by_identity = {name: one for name, one in accounts.items() if not _key_of(one)}
        for connection, account in by_identity.items():
            found = partial(identity_found, self.environment, connection)
            gives = _identity(connection)
            yield Check("identity", connection, account.url, found, gives=gives)
        for connection, account in accounts.items():
            clock = partial(self._clock, connection, account)
            yield Check(
                "clock",
                f"this host and {name_of(account)}",
                account.url,
                clock,
                needs=_needs(connection, account),
            )
        for place in self.storage.containers:
            does = "list, write, read, delete" if place.writes else "list, read"
            name = f"{place.setting} {place.container}: {does}".replace(" :", ":")
            yield self._of(place, name, accounts, partial(self._container, place))
        for connection in dict.fromkeys(p.connection for p in self.storage.containers if p.signed):
            if connection in by_identity:
                account = by_identity[connection]
                name = f"{connection} {name_of(account)}: signed URLs"
                signs = partial(self._delegation, connection, account)
                needs = (_identity(connection),)
                yield Check(_STORAGE, name, account.url, signs, needs=needs)
        for queue in self.storage.queues:
            name = f"{queue.setting} {queue.queue}: count"
            yield self._of(queue, name, accounts, partial(self._queue, queue))

    def _accounts(self) -> dict[str, BlobServiceClient]:
        """Return a client for each connection that can be used; the settings say why others not."""
        found = {}
        places: list[CheckedContainer | CheckedQueue] = [
            *self.storage.containers,
            *self.storage.queues,
        ]
        wrong = {one.connection for one in places if one.problem not in ("", one.setting)}
        names = dict.fromkeys(one.connection for one in places if one.connection not in wrong)
        for name in names:
            try:
                found[name] = account_of(
                    self.environment, name, development=self.development, options=_OPTIONS
                )
            except (RelearnError, KeyError, ValueError):
                continue
        return found

    def _of(
        self,
        place: CheckedContainer | CheckedQueue,
        name: str,
        accounts: Mapping[str, BlobServiceClient],
        run: Callable[[BlobServiceClient], Finding],
    ) -> Check:
        account = accounts.get(place.connection)
        if place.problem or account is None:
            why = not_checked(f"correct the setting {place.problem or place.connection} first")
            return Check(_STORAGE, name, "", lambda: why, gives=place.setting)
        needs = _needs(place.connection, account)
        tried = partial(run, account)
        return Check(_STORAGE, name, account.url, tried, gives=place.setting, needs=needs)

    def _clock(self, connection: str, account: BlobServiceClient) -> Finding:
        dates: list[str] = []

        def keep_date(answer: Any) -> None:
            dates.append(answer.http_response.headers.get("Date", ""))

        at = None
        try:
            account.get_container_client("relearn").exists(raw_response_hook=keep_date)
        except AzureError as exc:
            at = served_at(exc)  # one that refuses says the time all the same
            if at is None:
                return self._refused(exc, "ask for the time", connection, account)
        at = at or moment(dates[-1] if dates else "")
        if at is None:
            return not_checked("the answer of the storage holds no time: a proxy may drop it")
        apart = self.host.now() - at
        minutes = round(abs(apart) / timedelta(minutes=1))
        how = "ahead of" if apart > timedelta() else "behind"
        if abs(apart) > _MOST_APART:
            return wrong(f"the clock of this host is {minutes} min {how} the storage's", CLOCK)
        seconds = max(round(abs(apart).total_seconds()), 1)
        return ok(f"the clocks differ by {counted(seconds, 'second')} at most")

    def _container(self, place: CheckedContainer, account: BlobServiceClient) -> Finding:
        container, steps = account.get_container_client(place.container), _Steps()
        try:
            return self._written(container, steps) if place.writes else _read(container, steps)
        except AzureError as exc:
            if code_of(exc) != "ContainerNotFound":
                return self._refused(exc, steps.last, place.connection, account)
        except ValueError:  # what came is none of the answers that the SDK reads
            return not_one(steps.last, self._asked(place.connection, account))
        if place.unless:
            text = f"there is no container {place.container}: {place.unless}"
            return not_checked(text, is_usual=True)
        advice = f"create it in account {name_of(account)}, or correct {place.setting}"
        return wrong(f"container {place.container} does not exist", advice)

    def _written(self, container: ContainerClient, steps: "_Steps") -> Finding:
        content = b"doctor"
        blob = container.get_blob_client(f"{SCRATCH}{self.new_id()}")
        try:
            made = steps.do("write", lambda: blob.upload_blob(content, overwrite=True))
            listed = steps.do("list", lambda: _scratch_of(container))
            got = steps.do("read", lambda: blob.download_blob().readall())
        except Exception:
            _forget(blob.delete_blob)
            raise
        steps.do("delete", lambda: _gone(blob.delete_blob))
        for name, modified in listed.items():
            if made["last_modified"] - modified > _LEFT_BEHIND:
                _forget(partial(container.delete_blob, name))
        if got != content:
            return wrong("what was read is not what was written", "see what changes blobs there")
        return ok("a scratch blob was written, listed, read and deleted")

    def _delegation(self, connection: str, account: BlobServiceClient) -> Finding:
        now = self.host.now()
        try:
            account.get_user_delegation_key(now - _MOST_APART, now + _KEY_FOR)
        except AzureError as exc:
            return self._refused(exc, "get a user delegation key", connection, account, _DELEGATION)
        return ok("a user delegation key can be got, so blobs can be signed for")

    def _queue(self, place: CheckedQueue, account: BlobServiceClient) -> Finding:
        queues = AccountQueues(
            self.environment,
            place.connection,
            name_of(account),
            development=self.development,
        )
        try:
            messages = queues.count(place.queue)
        except RelearnError as exc:
            if isinstance(exc.__cause__, AzureError):
                cause = exc.__cause__
                return self._refused(cause, "count", place.connection, account, QUEUES)
            if isinstance(exc, TransientError):
                return not_one("count", self._asked(place.connection, account))
            raise
        if messages is not None:
            return ok(f"{counted(messages, 'message')} in it")
        if place.unless:
            text = f"there is no queue {place.queue}: {place.unless}"
            return not_checked(text, is_usual=True)
        advice = f"create it in account {name_of(account)}, or correct {place.setting}"
        return wrong(f"queue {place.queue} does not exist", advice)

    def _refused(
        self,
        error: AzureError,
        step: str,
        connection: str,
        account: BlobServiceClient,
        role: str = BLOBS,
    ) -> Finding:
        return finding_of(error, step, self._asked(connection, account, role), self.host.now())

    def _asked(self, connection: str, account: BlobServiceClient, role: str = BLOBS) -> Addressee:
        name, by_key = name_of(account), bool(_key_of(account))
        return Addressee(connection, name, by_key, role, local=is_loopback(account.url))


@dataclass(slots=True)
class _Steps:
    """The steps of one check, so that the one that fails is named."""

    last: str = ""

    def do(self, step: str, call: Callable[[], T]) -> T:
        """Take a step.

        Args:
            step: its name.
            call: what it does.

        Returns:
            What the call returns.
        """
        self.last = step
        return call()


def _read(container: ContainerClient, steps: _Steps) -> Finding:
    steps.do("list", lambda: _scratch_of(container))
    # Of a blob that does not exist: a missing right is answered as such, and not as a missing blob.
    steps.do("read", container.get_blob_client(f"{SCRATCH}doctor").exists)
    return ok("it is listed, and its blobs may be read")


def _scratch_of(container: ContainerClient) -> dict[str, datetime]:
    """Return the scratch blobs that are there, some of them at least, and when they were made."""
    pages = container.list_blobs(name_starts_with=SCRATCH, results_per_page=100).by_page()
    return {blob.name: blob.last_modified for blob in next(iter(pages), ())}


def _gone(delete: Callable[[], Any]) -> None:
    try:
        delete()
    except AzureError as exc:
        if code_of(exc) != "BlobNotFound":  # else by an earlier delete, whose answer was lost
            raise


def _forget(delete: Callable[[], Any]) -> None:
    """Delete what may be there; what cannot be deleted now is deleted by the next doctor."""
    try:
        delete()
    except AzureError:
        return


def _identity(connection: str) -> str:
    """Return what the check of an identity gives."""
    return f"the identity of {connection}"


def _needs(connection: str, account: BlobServiceClient) -> tuple[str, ...]:
    """Return what a check in an account needs."""
    return () if _key_of(account) else (_identity(connection),)


def _key_of(account: BlobServiceClient) -> str | None:
    key: str | None = getattr(account.credential, "account_key", None)
    return key
