"""The port of the files that the configuration is made of: a folder, or a container of blobs."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Protocol

from shared.errors import FileRefusedError


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as a check shows it: without its content."""

    stamp: tuple[Any, ...]
    written: float  #: seconds since 1970, by the clock of the place
    size: int
    sure: bool = True  #: whether each other content will have another stamp


class Files(Protocol):
    """Files of one place. Those that the pipelines file names are in its folder or below it.

    No error repeats a name: somebody may have written a secret in its place.
    """

    def shown(self, file: PurePath) -> str:
        """Return what messages call the pipelines file."""
        ...

    def below(self, folder: PurePath, name: str) -> PurePath:
        """Return a file by the path that is written in the pipelines file.

        Args:
            folder: the folder of the pipelines file.
            name: the path, without `..`, and relative.

        Raises:
            FileRefusedError: it leads out of the folder.
        """
        ...

    def state(self, file: PurePath) -> FileState | None:
        """Return the state of a file, in one call; None: there is none.

        Raises:
            FileRefusedError: the place refuses.
            TransientError: the place does not answer now.
        """
        ...

    def read(self, file: PurePath, most: int) -> bytes:
        """Return the content of a file.

        Args:
            file: the file; a folder or a device is refused before it is opened.
            most: its bytes at most.

        Raises:
            FileRefusedError: it is not there, no file or too large, or the place refuses.
            TransientError: the place does not answer now.
        """
        ...

    def ahead(self) -> float:
        """Return by how many seconds the clock of the place is ahead of this host's."""
        ...


def too_large(most: int) -> FileRefusedError:
    """Return the refusal of a file of more than `most` bytes."""
    return FileRefusedError(f"is larger than {most // 1024} KB", "make it smaller")
