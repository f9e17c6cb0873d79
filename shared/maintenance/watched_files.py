"""Finds out whether files were changed: by their times and sizes first, then by content."""

import hashlib
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Final

from shared.core.config.configuration import MOST_BYTES

#: A file may be written twice within the resolution of its time, and keep its size.
_UNSURE: Final = timedelta(seconds=3)

_Stamp = tuple[tuple[str, int, int, int], ...]


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
