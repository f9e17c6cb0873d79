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
from pathlib import Path, PurePath
from threading import Lock
from typing import Final

from shared.core.config.configuration import MOST_BYTES, Configuration
from shared.core.config.pipeline import Pipeline
from shared.errors import RelearnError
from shared.execution.context import Context
from shared.intake.eligibility import Activations
from shared.intake.last_good import LastGood
from shared.intake.search import Search
from shared.ports.clock import Clock
from shared.telemetry import log

#: A file may be written twice within the resolution of its time, and keep its size.
_UNSURE: Final = timedelta(seconds=3)

_Stamp = tuple[tuple[str, int, int, int], ...]
#: How often events and requests check the file at most, in seconds.
_SELDOM: Final = 10.0


class WatchedFiles:
    """Files that are checked often; of an unchanged file only the time and size are read.

    Args:
        wall: returns the time in seconds, by the clock of the file system.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._files: tuple[Path, ...] = ()
        self._stamp: _Stamp = ()
        self._digest = ""
        self._sure = True  #: whether another content would have another stamp

    def remember(self, files: Iterable[PurePath]) -> None:
        """Remember the state of these files, before they are read."""
        self._files = tuple(Path(file) for file in files)
        self._stamp, self._digest = self._checked_at(), self._read()

    def changed(self) -> bool:
        """Return whether a file has another content than when it was remembered."""
        known = self._stamp
        sure, stamp = self._sure, self._checked_at()
        if stamp == known and sure:
            return False
        self._stamp = stamp
        return self._read() != self._digest

    def written_at(self) -> datetime:
        """Return when the newest of the files was written; now, where that is not known."""
        now = self._wall()
        newest = max((at / 1e9 for _, at, size, _ in self._stamp if size >= 0), default=now)
        return datetime.fromtimestamp(min(newest, now), UTC)

    def _checked_at(self) -> _Stamp:
        stamp = tuple(_stamp_of(file) for file in self._files)
        latest = (self._wall() - _UNSURE.total_seconds()) * 1e9
        self._sure = all(at < latest for _, at, _, _ in stamp)
        return stamp

    def _read(self) -> str:
        """Return a digest of the contents, each up to the limit for such a file."""
        digest = hashlib.sha256()
        for file in self._files:
            content = _content(file)
            if content is None:
                # The cause may pass without a change of the file's time and size.
                self._sure, content = False, b"\0not there"
            digest.update(len(content).to_bytes(8) + content)
        return digest.hexdigest()


def _stamp_of(file: Path) -> tuple[str, int, int, int]:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return str(file), 0, -1, 0
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino


def _content(file: Path) -> bytes | None:
    """Return the content of a file; None where it cannot be read now."""
    try:
        if not file.is_file():  # a device would hang
            return b"\0no file"
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class ConfigurationReader:
    """The source of the configuration.

    Args:
        file: the pipelines file.
        read: returns its present content; never raises.
        learn: takes the pipelines of a file before their use, for the secrets that they name.
    """

    file: Path
    read: Callable[[], Configuration]
    learn: Callable[[Iterable[Pipeline]], None] = lambda _: None

    def read_watched(
        self, watched: WatchedFiles, named_files: tuple[PurePath, ...] = ()
    ) -> Configuration:
        """Remember the files of the configuration, then read and return it.

        So the next check notices a write during the read.

        Args:
            watched: remembers the files.
            named_files: the files that it is likely to name.

        Returns:
            The configuration.
        """
        watched.remember((self.file, *named_files))
        configuration = self.read()
        if configuration.named_files != named_files:
            watched.remember((self.file, *configuration.named_files))
            configuration = self.read()
        return configuration


class ChangedFile:
    """The pipelines file as one process knows it. Safe for several threads.

    Args:
        context: the ledger, the storage and the clock.
        source: the source of the configuration.
        last_good: the configuration in use.
        activations: takes the changed file into use.
        search: finds the data of events that came before the change.
        watched: remembers the files as they are in use.
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
        watched: WatchedFiles,
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
        self._lacks_since = started_at if _lacks(last_good.file) else None
        self._search_from: datetime | None = None
        self._search_now = False  #: whether the next tick is to search
        self._asked = time.monotonic()

    def check_sometimes(self, *, read_only: bool = False) -> None:
        """Use the file as it is now, if it was not checked in the last seconds.

        Called for events and requests.

        Args:
            read_only: the ledger is not written to; the next tick does that.
        """
        if time.monotonic() - self._asked >= _SELDOM:
            self._refresh(read_only=read_only)

    def check(self) -> bool:
        """Use the file if it was changed; return whether a search is to be made at once.

        If nothing was changed, only the times of the files are read. Never raises.
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
            if self._watched.changed():
                self._take(now)
            self._checked = now
            if not read_only:
                self._want_search()
        finally:
            self._lock.release()

    def _take(self, now: datetime) -> None:
        before = self._last_good.file
        changed_at = max(self._checked, min(self._watched.written_at(), now))
        configuration = self._source.read_watched(self._watched, before.named_files)
        eligible_from = changed_at if before.readable else self._lacks_since or changed_at
        self._source.learn(configuration.pipelines.values())
        self._activations.take(configuration, changed_at, eligible_from)
        search_from = min(changed_at, self._lacks_since or changed_at)
        self._search_from = min(search_from, self._search_from or search_from)
        lacks = _lacks(configuration)
        self._lacks_since = (self._lacks_since or changed_at) if lacks else None
        self._report(configuration)

    def _report(self, configuration: Configuration) -> None:
        name = self._source.file.name
        sound, errors = len(configuration.pipelines), len(configuration.problems)
        log.info(
            "%s was changed and is used from now on, without a restart: %d sound pipelines, "
            "%d problems",
            name,
            sound,
            errors,
        )
        for problem in configuration.problems:
            log.error("wrong in the changed file: %s", problem)
        for hint in configuration.hints:
            log.warning("in the changed file: %s", hint)

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
