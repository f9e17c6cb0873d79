"""Reads the pipelines file again when it was changed, while the app runs.

Pipelines without an error are used from then on; the others use their last good configuration
(`shared.intake.last_good`). Events that came meanwhile found the earlier pipelines, so a search
for their data is made at once.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from threading import Lock
from typing import Final

from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Pipeline
from shared.core.config.problems import Problem
from shared.core.service import service
from shared.errors import FileRefusedError, RelearnError, TransientError
from shared.execution.context import Context
from shared.intake.eligibility import Activations
from shared.intake.last_good import LastGood
from shared.intake.search import Search
from shared.ports.clock import Clock
from shared.ports.files import Files, FileState, too_large
from shared.telemetry import log

#: How often events and requests check the file at most, in seconds.
_SELDOM: Final = 10.0
#: After how many seconds without a check an event waits for the one under way: a process that
#: only takes events may have been idle for hours.
_STALE: Final = 60.0
#: How often files that change while they are read are read at once.
_READINGS: Final = 3
#: How long a storage may be away before health says that the file cannot be checked.
_PATIENCE: Final = timedelta(minutes=5)

_Seen = FileState | FileRefusedError | None


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was read."""

    seen: _Seen
    digest: bytes
    most: int  #: bytes that were asked for
    sure: bool  #: whether another content would have another stamp

    def looks_like(self, seen: _Seen) -> bool:
        return _stamp(self.seen) == _stamp(seen)


class WatchedFiles:
    """Each file that is read through it is checked from then on; it is used as `Files`.

    Of an unchanged file only the state is asked for. A file is checked before it is read, so that
    the next check notices a write during the reading.

    Args:
        files: where they are.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[PurePath, _Known] = {}
        self._failure: TransientError | None = None
        self.shown, self.below = files.shown, files.below
        self.state, self.ahead = files.state, files.ahead

    @property
    def files(self) -> tuple[PurePath, ...]:
        """The files that were read, also those that are not there."""
        return tuple(self._known)

    def read(self, file: PurePath, most: int) -> bytes:
        """Return the content of a file, and check it from now on.

        Args:
            file: the file.
            most: its bytes at most.

        Raises:
            FileRefusedError: it cannot be used, or cannot be read now.
        """
        try:
            known, content = self._look(file, most)
        except TransientError as exc:
            self._failure = exc
            raise FileRefusedError("cannot be read now", "it is read again each tick") from exc
        self._known.setdefault(file, known)
        if isinstance(content, FileRefusedError):
            raise content
        return content

    def changed(self) -> bool:
        """Return whether a file has another content than when it was read.

        Raises:
            TransientError: the files cannot be checked now.
        """
        for file, known in self._known.items():
            if known.sure and known.looks_like(self._seen(file)):
                continue
            now, _ = self._look(file, known.most)
            if now.digest != known.digest:
                return True
            self._known[file] = now
        return False

    def require_one_moment(self) -> bool:
        """Return whether all files were as they were read at one moment: none changed since.

        Raises:
            TransientError: a file could not be read, or cannot be checked now.
        """
        if self._failure is not None:
            raise self._failure
        return all(known.looks_like(self._seen(file)) for file, known in self._known.items())

    def written_at(self) -> datetime:
        """Return when the newest of the files was written; now, where that is not known."""
        now = time.time()
        states = [one.seen for one in self._known.values() if isinstance(one.seen, FileState)]
        newest = max((state.written for state in states), default=None)
        written = now if newest is None else newest - self._files.ahead()
        return datetime.fromtimestamp(min(written, now), UTC)

    def _seen(self, file: PurePath) -> _Seen:
        try:
            return self._files.state(file)
        except FileRefusedError as exc:
            return exc

    def _look(self, file: PurePath, most: int) -> tuple[_Known, bytes | FileRefusedError]:
        """Return a file as it is now, and its content or why it has none."""
        seen = self._seen(file)
        content = self._content(seen, file, most)
        refused = isinstance(content, FileRefusedError)
        digested = (
            f"\0{content.what}".encode() if isinstance(content, FileRefusedError) else content
        )
        sure = True
        if isinstance(seen, FileState):
            # The cause of a refusal may pass without a change of the file's state.
            sure = seen.sure and (not refused or seen.size > most)
        return _Known(seen, hashlib.sha256(digested).digest(), most, sure), content

    def _content(self, seen: _Seen, file: PurePath, most: int) -> bytes | FileRefusedError:
        if isinstance(seen, FileRefusedError):
            return seen
        if isinstance(seen, FileState) and seen.size > most:
            return too_large(most)
        try:
            return self._files.read(file, most)
        except FileRefusedError as exc:
            return exc


def _stamp(seen: _Seen) -> object:
    if isinstance(seen, FileState):
        return seen.stamp
    return None if seen is None else seen.what


@service
class ConfigurationReader:
    """The source of the configuration.

    Args:
        name: what messages call the pipelines file.
        files: where it is, and the files that it names.
        load: returns the present content; never raises.
        learn: takes the pipelines of a file before their use, for the secrets that they name.
    """

    name: str
    files: Files
    load: Callable[[Files], Configuration]
    learn: Callable[[Iterable[Pipeline]], None] = lambda _: None

    def read(self) -> tuple[Configuration, WatchedFiles]:
        """Return the configuration as it was at one moment, and its files, to be watched.

        Raises:
            TransientError: they cannot be read now, or change all the time.
        """
        for _ in range(_READINGS):
            watched = WatchedFiles(self.files)
            configuration = self.load(watched)
            if watched.require_one_moment():
                return configuration, watched
        raise TransientError(f"{self.name}, or a file that it names, changes while it is read")

    def not_read(self, what: str, advice: str) -> Configuration:
        """Return what is known of a file that was never read: nothing.

        Args:
            what: what is wrong.
            advice: what happens next.
        """
        return Configuration.unreadable(Problem(self.name, what, advice))


class ChangedFile:
    """The pipelines file as one process knows it. Safe for several threads.

    Args:
        context: the ledger, the storage and the clock.
        source: the source of the configuration.
        last_good: the configuration in use.
        activations: takes the changed file into use.
        search: finds the data of events that came before the change.
        watched: the files as they are in use; None: they were not read yet.
        host: the clock of this process.
        started_at: when this process began, by that clock.
    """

    def __init__(
        self,
        context: Context,
        source: ConfigurationReader,
        last_good: LastGood,
        activations: Activations,
        search: Search,
        *,
        watched: WatchedFiles | None,
        host: Clock,
        started_at: datetime,
    ) -> None:
        self._context = context
        self._source = source
        self._last_good = last_good
        self._activations = activations
        self._search = search
        self._host = host
        self._watched = watched
        self._lock = Lock()
        self._checked = started_at  #: when the file was known to be unchanged last
        self._started_at = started_at
        lacks = watched is not None and _lacks(last_good.file)
        self._lacks_since = started_at if lacks else None
        #: Since when the files cannot be checked, and why.
        self._failing: tuple[datetime, str] | None = None
        self._search_from: datetime | None = None
        self._search_now = False  #: whether the next tick is to search
        self._asked = self._ended = time.monotonic()  #: when the last check began, and ended

    def begin(self) -> None:
        """Read the file if that was not tried yet; nothing is written. Never raises.

        What comes before is missed by no event, since no event was dealt with.
        """
        if self._watched is None and self._failing is None:
            self._refresh(read_only=True)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """That the file could not be checked for a while, and the one in use may be old."""
        if self._watched is None or self._failing is None:
            return ()
        since, why = self._failing
        if self._host.now() - since < _PATIENCE:
            return ()
        at = since.isoformat(timespec="seconds")
        what = f"could not be checked since {at}, and is used as it was then"
        return (Problem(self._source.name, what, why),)

    def check_sometimes(self, *, read_only: bool = False) -> None:
        """Use the file as it is now, if it was not checked in the last seconds.

        Called for events and requests.

        Args:
            read_only: the ledger is not written to; the next tick does that.
        """
        never_tried = self._watched is None and self._failing is None
        if never_tried or time.monotonic() - self._asked >= _SELDOM:
            self._refresh(read_only=read_only)
        if self._lock.locked() and time.monotonic() - self._ended >= _STALE:
            with self._lock:  # another thread reads what this one needs
                pass

    def check(self) -> bool:
        """Use the file if it was changed; return whether a search is to be made at once.

        If nothing was changed, only the states of the files are asked for. Never raises.
        """
        self._refresh()
        wanted, self._search_now = self._search_now, False
        return wanted

    def reload(self, until: datetime) -> None:
        """Use the file as it is now, and search at once for data that arrived. Never raises.

        Args:
            until: when the tick must end; a search takes half of the time.
        """
        if not self.check():
            return
        now = self._context.clock.now()
        try:
            self._search.run_until(now + (until - now) / 2)  # the open runs need time too
        except RelearnError as exc:
            log.warning("what came before the file was changed is searched for later: %s", exc)

    def _refresh(self, *, read_only: bool = False) -> None:
        if not self._lock.acquire(blocking=False):
            return  # another thread reads it
        try:
            self._asked = time.monotonic()
            now = self._host.now()
            try:
                if self._watched is None or self._watched.changed():
                    self._take(now)
                self._checked, self._failing = now, None
            except TransientError as exc:
                self._not_checked(now, exc)
            if not read_only:
                self._want_search()
        finally:
            self._ended = time.monotonic()
            self._lock.release()

    def _take(self, now: datetime) -> None:
        configuration, watched = self._source.read()
        before, first = self._last_good.file, self._watched is None
        since = self._started_at if first else watched.written_at()
        changed_at = self._started_at if first else max(self._checked, min(since, now))
        eligible_from = changed_at if before.readable else self._lacks_since or changed_at
        self._source.learn(configuration.pipelines.values())
        self._activations.take(configuration, changed_at, eligible_from)
        if not first or self._lacks_since is not None:
            search_from = min(changed_at, self._lacks_since or changed_at)
            self._search_from = min(search_from, self._search_from or search_from)
        lacks = _lacks(configuration)
        self._lacks_since = (self._lacks_since or changed_at) if lacks else None
        self._watched = watched
        self._report(configuration, "read" if first else "changed")

    def _not_checked(self, now: datetime, exc: TransientError) -> None:
        """Keep the configuration in use; without one, use the last good ones of the ledger."""
        if self._failing is not None:
            return
        self._failing = now, str(exc)
        log.warning("%s cannot be checked now, and is again each tick: %s", self._source.name, exc)
        if self._watched is None:
            self._lacks_since = at = self._started_at
            unread = self._source.not_read("cannot be read now", f"it is again each tick ({exc})")
            self._activations.take(unread, at, at)

    def _report(self, configuration: Configuration, what: str) -> None:
        log.info(
            "%s was %s and is used from now on, without a restart: %d valid pipelines, %d problems",
            self._source.name,
            what,
            len(configuration.pipelines),
            len(configuration.problems),
        )
        for problem in configuration.problems:
            log.error("wrong in the %s file: %s", what, problem)
        for hint in configuration.hints_at(self._context.clock.now()):
            log.warning("in the %s file: %s", what, hint)

    def _want_search(self) -> None:
        """Request a search in the ledger; if that fails, the next check tries again."""
        if self._search_from is None:
            return
        try:
            self._search.want(self._context.storage_time(self._search_from))
        except RelearnError as exc:
            log.warning("what came before the file was changed is searched for later: %s", exc)
            return
        self._search_from, self._search_now = None, True


def _lacks(configuration: Configuration) -> bool:
    """Whether a pipeline may have been missing for events."""
    return not configuration.readable or bool(configuration.broken)
