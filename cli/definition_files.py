"""Finds and reads the files of definitions that a command was given: files, and folders of them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.output import CommandError
from shared.core.counting import counted

#: Folders that hold nothing of a factory, and may be very large.
_SKIPPED: Final = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".local", ".azure"}
)
#: What an earlier import has written: where all of these are, they are not definitions.
_WRITTEN: Final = frozenset({"import-report.json", "local.settings.json"})
_ALWAYS: Final = (".json", ".jsonc")
#: Read where their text begins like JSON: definitions are kept in such files too.
_PERHAPS: Final = (".txt",)
_MOST_FILES: Final = 5_000
_MOST_VISITED: Final = 200_000
_LARGEST: Final = 16 * 1024 * 1024
_LARGEST_TOGETHER: Final = 256 * 1024 * 1024
_BEGINS: Final = (b"{", b"[", b"/*", b"//")
_ZIPPED: Final = b"PK\x03\x04"
_ZIP: Final = "it is a zip file, which has to be unpacked first"
_NO_JSON: Final = "it does not begin like JSON"
_USAGE: Final = 2


@dataclass(slots=True)
class DefinitionFiles:
    """What was read, by names that people know the files by."""

    content: dict[str, bytes] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)  #: the others, with the reason


def read_definitions(paths: Sequence[Path], leave_out: Path) -> DefinitionFiles:
    """Return the content of the given files, and of the definitions in the given folders.

    Links to folders are not followed. A file that cannot be read is not an error: it is reported.

    Args:
        paths: files and folders.
        leave_out: the folder that an import writes to.

    Raises:
        CommandError: a path does not exist, or there is too much to read.
    """
    for path in paths:
        if not path.exists():
            raise CommandError(f"there is no file or folder {path}: correct the path", _USAGE)
    common = Path(os.path.commonpath([_folder(path).resolve() for path in paths]))
    found, together = DefinitionFiles(), 0
    for file in _all_files(paths, leave_out.resolve()):
        name = _known_as(file, common)
        if name in found.content or name in found.unread:
            continue
        try:
            content = _content(file)
        except _UnreadError as exc:
            found.unread[name] = str(exc)
            continue
        if file.suffix.lower() not in _ALWAYS and not _is_json(content):
            if file in paths:
                found.unread[name] = _ZIP if content.startswith(_ZIPPED) else _NO_JSON
            continue
        found.content[name] = content
        together += len(content)
        if len(found.content) > _MOST_FILES or together > _LARGEST_TOGETHER:
            most = f"{_MOST_FILES} files, or {_LARGEST_TOGETHER // 1024**2} MB"
            raise _too_much(f"they hold more than {most}")
    return found


class _UnreadError(Exception):
    """A file cannot be read; the message says why."""


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _known_as(file: Path, common: Path) -> str:
    """Return the name of a file below a folder, in characters that each report can hold."""
    name = Path(os.path.relpath(_folder(file).resolve(), common), file.name).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _all_files(paths: Sequence[Path], leave_out: Path) -> Iterator[Path]:
    visited = 0
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(
                one
                for one in folders
                if one not in _SKIPPED and Path(folder, one).resolve() != leave_out
            )
            visited += len(folders) + len(files)
            if visited > _MOST_VISITED:
                raise _too_much(f"{path} holds more than {_MOST_VISITED} files and folders")
            written = _WRITTEN if set(files) >= _WRITTEN else frozenset()
            for file in sorted(set(files) - written):
                if file.lower().endswith((*_ALWAYS, *_PERHAPS)):
                    yield Path(folder, file)


def _too_much(what: str) -> CommandError:
    return CommandError(f"{what}: name only the folder of the factory", _USAGE)


def _content(file: Path) -> bytes:
    """Return the content of a file.

    Raises:
        _UnreadError: it cannot be read.
    """
    try:
        if not file.is_file():
            raise _UnreadError("it is not a file, or a link that leads nowhere")
        if (size := file.stat().st_size) > _LARGEST:
            raise _UnreadError(f"it has {counted(size, 'byte')}; at most {_LARGEST} are read")
        return file.read_bytes()
    except OSError as exc:
        raise _UnreadError(f"it cannot be read ({type(exc).__name__})") from None


def _is_json(content: bytes) -> bool:
    text = content[:4096].replace(b"\0", b"")
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        text = text.removeprefix(mark)
    return text.lstrip().startswith(_BEGINS)
