"""Reads the pipelines file from its place: a folder, or a container of the ledger's account.

Both places are read in the same way, as `Files`. A container makes no request before its first
check of a file.
"""

import re
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePath, PurePosixPath
from typing import Final

from shared.config.values import quoted
from shared.core.blobs import is_folded
from shared.core.config.problems import Problem
from shared.core.config.setting_references import not_filled_in
from shared.errors import FileRefusedError, PermanentError
from shared.ports.files import FileState, too_large
from shared.ports.storage import Blobs

SETTING: Final = "PIPELINES_FILE"
#: How the advice of a path in the pipelines file begins.
PATH_ADVICE: Final = "name a file in the folder of this file or below it, as probes/census.json"
#: What a path may be made of, so that it means the same on every system and is not a URL.
PLAIN_PATH: Final = re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]{1,200}")
_MARK: Final = "blob:"
#: `$web` and the like are the platform's own.
CONTAINER: Final = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
_FORM: Final = "write blob:<container>/<path>, as blob:config/pipelines.yaml"
#: Of a refusal that roles or the network cause.
_DENIED: Final = re.compile(r"\(40[13]\)")
#: A file may be written twice within the resolution of its time, and keep its size.
_UNSURE: Final = timedelta(seconds=3)


class LocalFiles:
    """Files of this host.

    Args:
        wall: returns the time in seconds, by the clock of the file system.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall

    def shown(self, file: PurePath) -> str:
        """Return what messages call the pipelines file."""
        return file.name

    def below(self, folder: PurePath, name: str) -> Path:
        """Return the real path of a file below `folder`; links are followed first.

        Args:
            folder: the folder of the pipelines file.
            name: the path as it is written there.

        Raises:
            FileRefusedError: it lies elsewhere.
        """
        try:
            base = Path(folder).resolve()
            real = (base / name).resolve()
        except (OSError, RuntimeError, ValueError):  # a link that leads to itself
            raise FileRefusedError("cannot be followed to a file", PATH_ADVICE) from None
        if not real.is_relative_to(base) or real == base:
            raise FileRefusedError("leads out of the folder of this file", PATH_ADVICE)
        return real

    def state(self, file: PurePath) -> FileState | None:
        """Return the state of a file by one `stat`; None: there is none."""
        try:
            found = Path(file).stat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        sure = found.st_mtime_ns < (self._wall() - _UNSURE.total_seconds()) * 1e9
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        return FileState(stamp, found.st_mtime_ns / 1e9, found.st_size, sure)

    def read(self, file: PurePath, most: int) -> bytes:
        """Return the content of a file.

        Args:
            file: the file; a folder or a device, which would hang, is refused before it is opened.
            most: its bytes at most.

        Raises:
            FileRefusedError: it cannot be read, is not a file, or is too large.
        """
        path = Path(file)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise FileRefusedError("is not a file")
            with path.open("rb") as stream:
                content = stream.read(most + 1)
        except OSError as exc:
            raise FileRefusedError(f"cannot be read ({exc.strerror})") from None
        if len(content) > most:
            raise too_large(most)
        return content

    def ahead(self) -> float:
        """Return 0: the times of files are by the clock of this host."""
        return 0.0


class ContainerFiles:
    """Blobs of one container.

    Args:
        blobs: of the ledger's account.
        container: the container.
        ahead: returns by how many seconds the storage's clock is ahead of this host's.
    """

    def __init__(self, blobs: Blobs, container: str, ahead: Callable[[], float]) -> None:
        self._blobs, self._container, self.ahead = blobs, container, ahead

    def shown(self, file: PurePath) -> str:
        """Return the pipelines file as the setting names it."""
        return f"{_MARK}{self._container}/{file.as_posix()}"

    def below(self, folder: PurePath, name: str) -> PurePosixPath:
        """Return the blob in the folder of the pipelines file, or below it.

        Args:
            folder: the folder of the pipelines file.
            name: the path as it is written there.

        Raises:
            FileRefusedError: it is the folder itself.
        """
        found = PurePosixPath(folder) / name
        if found == folder:
            raise FileRefusedError("leads out of the folder of this file", PATH_ADVICE)
        return found

    def state(self, file: PurePath) -> FileState | None:
        """Return the state of a blob by one HEAD; None: there is none.

        Raises:
            FileRefusedError: the storage refuses.
            TransientError: the storage does not answer now.
        """
        try:
            found = self._blobs.head(self._container, file.as_posix())
        except PermanentError as exc:
            raise self._refusal(file, exc) from exc
        if found is None:
            return None
        return FileState((found.etag,), found.modified.timestamp(), found.size)

    def read(self, file: PurePath, most: int) -> bytes:
        """Return the content of a blob, in one request.

        Args:
            file: the name of the blob.
            most: its bytes at most.

        Raises:
            FileRefusedError: it is not there, or the storage refuses.
            TransientError: the storage does not answer now.
        """
        try:
            content = self._blobs.read(self._container, file.as_posix(), most)
        except PermanentError as exc:
            raise self._refusal(file, exc) from exc
        if content is None:
            what = f"is not in container {self._container} of the ledger's account"
            raise FileRefusedError(what, f"upload it there, or correct {SETTING}")
        return content

    def _refusal(self, file: PurePath, exc: PermanentError) -> FileRefusedError:
        why = str(exc).replace(f"{self._container}/{file.as_posix()}", "it")
        advice = f"the app's identity must be allowed to read container {self._container}"
        if not _DENIED.search(why):  # then the storage says what is wrong with the blob
            advice = "correct that at the blob"
        return FileRefusedError(f"cannot be read ({why})", f"{advice}, which {SETTING} names")


@dataclass(frozen=True, slots=True)
class FileLocation:
    """Where the setting says that the pipelines file is."""

    file: PurePath
    container: str = ""  #: of the ledger's account; none: the file is one of this host
    problem: Problem | None = None  #: why the setting does not name a place; nothing is read then


def place_of(text: str, root: Path, taken: Iterable[str]) -> FileLocation:
    """Return the place that the setting names; a wrong one stops no run that is open.

    Args:
        text: the value of the setting.
        root: the folder of the app, which other paths are relative to.
        taken: the containers of data, models and ledger.
    """
    mark, colon, rest = text.partition(":")
    if f"{mark.strip().lower()}{colon}" != _MARK:
        if (found := not_filled_in(text) or quoted(text)) is not None:
            return _wrong(root / "pipelines.yaml", *found)
        local = root / text
        return _wrong(local, "is a URL", _FORM) if "://" in text else FileLocation(local)
    container, _, path = rest.partition("/")
    file = PurePosixPath(path)
    if mark != mark.strip().lower():
        return _wrong(file, "does not begin with blob: in lower-case letters", _FORM)
    if not CONTAINER.fullmatch(container):
        return _wrong(file, "does not name a container after blob:", _FORM)
    if container in taken:
        what = f"names {container}, a container of data, models or the ledger"
        advice = (
            "name another one: jobs and those who upload data write there, and the writer of "
            "this file decides what is trained and where it is served"
        )
        return _wrong(file, what, advice)
    plain = PLAIN_PATH.fullmatch(path) and not path.startswith("/")
    if not plain or is_folded(path) or path != file.as_posix():
        return _wrong(file, "does not name a blob after the container", _FORM)
    return FileLocation(file, container)


def _wrong(file: PurePath, what: str, advice: str) -> FileLocation:
    return FileLocation(file, problem=Problem(SETTING, what, advice))
