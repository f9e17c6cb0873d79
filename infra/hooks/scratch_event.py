"""Sends one event through the data container, to check that events reach the app.

The blob lies below `.relearn/`, which no pipeline ever takes. The app notes that its event
arrived, and `GET /api/health/details` shows it.
"""

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from app_health import AppHealth
from calls import (
    ACCEPTED,
    FORBIDDEN,
    NOT_FOUND,
    OK,
    UNAUTHORIZED,
    UNAVAILABLE,
    Answer,
    Caller,
    UnreachableError,
)
from console import Console, HookError
from environment import SCRATCH_FOLDER, STORAGE_SCOPE, Deployment, Tokens

WHAT: Final = "event through the data container"
_STORAGE_VERSION: Final = "2021-12-02"
_CONTENT: Final = b"An event of this blob shows that events reach Relearn. It can be deleted.\n"
_NO_ROLE: Final = "AuthorizationPermissionMismatch"

#: The first event after an idle time may be lost, so the blob is written again meanwhile.
_WRITE_AGAIN_SECONDS: Final = 90.0
_MOST_SECONDS: Final = 360.0
_ROLE_SECONDS: Final = 120.0
_EVERY: Final = 5.0
_OPEN: Final = (
    "run this hook from a network that the storage account allows, or write a blob below"
    f" {SCRATCH_FOLDER}/ yourself and look at `last_event` in `GET /api/health/details`"
)
_TRIES: Final = 3
#: With these the app itself answers: 503 says that it has problems.
_ANSWERS: Final = (OK, UNAVAILABLE)


_FIRST: Final = (
    "first correct what `GET /api/health/details` lists, since with wrong settings the app takes no"
    " event; if that does not help, "
)
_LOST_BY_WEBHOOK: Final = (
    "repeat the hook once: the first event after an idle time can be lost (failure 8). Then look"
    " into the dead-letter container, and at the metrics of the event subscription"
    " of on_training_data: delivered events that the app did not get are failure 7"
)
_LOST_BY_QUEUE: Final = (
    "look at the queue of the setting STORAGE_EVENTS_QUEUE: messages that stay there mean that the"
    " app cannot read it (role Storage Queue Data Contributor); an empty queue means that Event"
    " Grid did not deliver (dead-letter container, role Storage Queue Data Message Sender of the"
    " topic's identity)"
)


class ClosedError(Exception):
    """The storage is closed to the hook, which says nothing about the app.

    Args:
        what: happened.
        advice: what to do next.
        maybe_written: whether the blob may be there all the same.
    """

    def __init__(self, what: str, advice: str, *, maybe_written: bool = False) -> None:
        super().__init__(what)
        self.advice = advice
        self.maybe_written = maybe_written


@dataclass(frozen=True)
class ScratchEvent:
    """Writes the blob, waits for its event, deletes it."""

    deployment: Deployment
    tokens: Tokens
    caller: Caller
    health: AppHealth
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex

    @property
    def _console(self) -> Console:
        return self.caller.console

    def try_it(self) -> None:
        """Send an event, and keep the result for the table.

        Raises:
            HookError: the event did not arrive.
        """
        name, maybe_written = f"{SCRATCH_FOLDER}/{self.new_id()}", True
        try:
            self._write_first(name)
            text = self._arrived(name)
        except ClosedError as closed:
            maybe_written = closed.maybe_written
            self._console.result(WHAT, "not tried", str(closed), closed.advice)
            return
        finally:
            if maybe_written:  # also when it was interrupted, or an answer was lost
                self._delete(name)
        self._console.result(WHAT, "done", text)

    def _write_first(self, name: str) -> None:
        written = self._console.wait_for(
            "the role on the data container", lambda: self._write(name), _ROLE_SECONDS, every=15.0
        )
        if written is None:
            raise ClosedError(
                f"azd's account may not write blobs ({_NO_ROLE})",
                f"give it the role Storage Blob Data Contributor on the container"
                f" {self._container}, then repeat this hook",
            )

    def _write(self, name: str) -> bool | None:
        """Write the blob; None if the account has no role, which may be too fresh.

        Raises:
            ClosedError: the storage is closed to the hook.
            HookError: it failed otherwise.
        """
        answer = self._storage("PUT", name, _CONTENT)
        if answer.status in ACCEPTED:
            return True
        if answer.error_code == _NO_ROLE:
            return None
        if answer.status in (FORBIDDEN, UNAUTHORIZED):
            said = f"HTTP {answer.status} {answer.error_code}"
            raise ClosedError(f"the storage is closed to this machine or account ({said})", _OPEN)
        what = f"the blob {name} could not be written: HTTP {answer.status} {answer.error_code}"
        advice = "does the container exist? Run `azd provision`, then repeat"
        raise HookError(what, advice)

    def _arrived(self, name: str) -> str:
        """Return which function got the event, and after how long."""
        clock = self._console.clock
        began = written = clock.monotonic()
        last: list[Answer] = []

        def ask() -> str | None:
            nonlocal written
            last[:] = [self.health.details()]
            event = last[0].json().get("last_event")
            if isinstance(event, dict) and event.get("blob") == name:
                return f"{event.get('function')} had it after {clock.monotonic() - began:.0f} s"
            if clock.monotonic() - written >= _WRITE_AGAIN_SECONDS:
                written = clock.monotonic()
                self._console.detail("no event yet: writing the blob once more")
                with contextlib.suppress(ClosedError):
                    self._storage("PUT", name, _CONTENT)
            return None

        text = self._console.wait_for("the event", ask, _MOST_SECONDS, _EVERY)
        if text is None:
            raise self._lost(last[0]) if last[0].status in _ANSWERS else _unseen(last[0].status)
        return text

    def _lost(self, answer: Answer) -> HookError:
        what = f"the app got no event of its data container within {_MOST_SECONDS:.0f} s"
        what += _given_up(answer.json().get("undelivered"))
        first = _FIRST if answer.status == UNAVAILABLE else ""
        if self.deployment.by_blob_trigger:
            return HookError(what, first + _LOST_BY_WEBHOOK, known=7)
        return HookError(what, first + _LOST_BY_QUEUE, known=10)

    @property
    def _container(self) -> str:
        return self.deployment["TRAINING_DATA_CONTAINER"]

    def _storage(self, method: str, name: str, body: bytes | None = None) -> Answer:
        base = self.deployment["DATA_BLOB_ENDPOINT"].rstrip("/")
        url = f"{base}/{quote(self._container)}/{quote(name)}"
        try:
            token = self.tokens.get(STORAGE_SCOPE)
            headers = {"Authorization": f"Bearer {token}", "x-ms-version": _STORAGE_VERSION}
            if body is not None:
                headers |= {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}
            return self.caller.send(method, url, headers, body, tries=_TRIES)
        except UnreachableError as error:
            what = f"the storage cannot be reached from here: {error.what}"
            raise ClosedError(what, _OPEN, maybe_written=True) from None
        except HookError as error:
            raise ClosedError(error.what, error.advice) from None

    def _delete(self, name: str) -> None:
        """Delete the blob, also if it may never have been written; a failure is only said."""
        try:
            answer = self._storage("DELETE", name)
        except ClosedError as error:
            self._console.detail(f"the blob {name}, if it was written, is still there: {error}")
            return
        if answer.status not in (*ACCEPTED, NOT_FOUND, FORBIDDEN, UNAUTHORIZED):
            said = f"HTTP {answer.status} {answer.error_code}"
            self._console.detail(f"the blob {name} was not deleted ({said}): delete it by hand")


def _given_up(found: object) -> str:
    """Return the app's counts of messages and events that could not be delivered."""
    if not isinstance(found, dict):
        return ""
    poison = [one for one in found.get("poison") or () if isinstance(one, dict)]
    counts = [f"{one.get('name')} holds {one.get('messages')}" for one in poison]
    counts.append(f"the dead-letter container holds {found.get('dead_letters')}")
    return f" (as of {found.get('at')}: {', '.join(counts)})"


def _unseen(status: int) -> HookError:
    return HookError(
        f"`GET /api/health/details` answered HTTP {status}, so the event cannot be seen",
        "repeat the hook: the app may not have loaded its keys yet",
    )
