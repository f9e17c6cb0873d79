"""Reads the files of the configuration: each within bounds, and none outside its folder."""

import json
import re
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from shared.config.yaml_reader import Loader, misread, where_it_breaks
from shared.core.config.pattern import one_name
from shared.errors import FileRefusedError

#: Bytes of one file. Its content is stored with each run.
MOST_PROBE_BYTES: Final = 256 * 1024
#: Bytes of all probe files that one pipeline names, and that all of them name; each mention counts.
MOST_PROBES: Final = 2 * 1024**2
_MOST_PROBES_OF_ALL: Final = 16 * 1024**2
_PROBE_DEPTH: Final = 20
_LONGEST_NUMBER: Final = 40
#: What a path may be made of, so that it means the same on every system and is no URL.
_PATH: Final = re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]{1,200}")
#: A name that is safe to repeat: nobody's key looks like it.
_PLAIN_NAME: Final = re.compile(r"[\w./-]{1,96}\.(?:json|ya?ml)", re.ASCII)
_PATH_CURE: Final = "name a file in the folder of this file or below it, as probes/census.json"


def bounded_text(file: Path, most: int) -> str:
    """Return the text of a file.

    Args:
        file: the file; a folder or a device is refused before it is opened.
        most: its bytes at most.

    Raises:
        FileRefusedError: it is not there, not a file, too large, or no UTF-8 text.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise FileRefusedError("is not a file")
        with file.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as exc:
        raise FileRefusedError(f"cannot be read ({exc.strerror})") from None
    if len(content) > most:
        raise FileRefusedError(f"is larger than {most // 1024} KB", "make it smaller")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefusedError("is not UTF-8 text", "save it as UTF-8") from None


class NamedFiles:
    """Reads the files that pipelines name, each once, and counts the bytes that they add.

    The content is stored with each run. Requests are JSON; jobs and deployments are YAML.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = _MOST_PROBES_OF_ALL
        self._known: dict[tuple[str, str], tuple[dict[str, Any], int]] = {}
        self._named: dict[Path, None] = {}

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were asked for, in the folder of the pipelines file or below it."""
        return tuple(self._named)

    def probe(self, name: str, left: int) -> tuple[dict[str, Any], int]:
        """Return the content of a probe file and its size.

        Args:
            name: its path as it is written.
            left: how many bytes of files the pipeline may still name.

        Raises:
            FileRefusedError: it cannot be used, or is one too many.
        """
        return self._read(name, left, read_probe)

    def yaml(self, name: str, left: int, kind: str) -> tuple[dict[str, Any], int]:
        """Return the mapping in a YAML file and its size. Raises the same as `probe`.

        Args:
            name: its path as it is written.
            left: how many bytes of files the pipeline may still name.
            kind: what the file should be, for messages.
        """
        return self._read(name, left, partial(read_yaml, kind=kind))

    def _read(
        self, name: str, left: int, read: Callable[[Path, str], tuple[dict[str, Any], int]]
    ) -> tuple[dict[str, Any], int]:
        form = "json" if read is read_probe else "yaml"
        if (name, form) not in self._known:
            self._named[named_path(self._folder, name)] = None
            self._known[name, form] = read(self._folder, name)
        content, size = self._known[name, form]
        self._left -= size
        if size > left or self._left < 0:
            most = (MOST_PROBES if size > left else _MOST_PROBES_OF_ALL) // 1024
            whose = "this pipeline" if size > left else "the whole file"
            raise FileRefusedError(
                f"makes the files that {whose} names larger than {most} KB", "use fewer rows"
            )
        return content, size


def read_probe(folder: Path, name: str) -> tuple[dict[str, Any], int]:
    """Return the scoring request that a probe file holds, and the size of the file.

    Args:
        folder: the folder of the pipelines file.
        name: the path as it is written there.

    Raises:
        FileRefusedError: it lies elsewhere, cannot be read, or is no JSON object.
    """
    file = named_path(folder, name)
    shown = name if _PLAIN_NAME.fullmatch(name) else "the file"
    try:
        text = bounded_text(file, MOST_PROBE_BYTES)
        rows = json.loads(
            text, parse_constant=_no_number, parse_int=_integer, parse_float=_fraction
        )
        _check_tree(rows)
    except FileRefusedError as exc:
        raise FileRefusedError(f"{shown} {exc.what}", exc.cure or "see its path") from None
    except RecursionError:
        raise FileRefusedError(f"{shown} is nested too deeply") from None
    except json.JSONDecodeError as exc:
        raise FileRefusedError(f"{shown} is not JSON", f"see its line {exc.lineno}") from None
    except ValueError as exc:  # ours: it repeats nothing
        raise FileRefusedError(f"{shown} is not JSON that a record can hold", str(exc)) from None
    return rows, len(text)


def read_yaml(folder: Path, name: str, kind: str) -> tuple[dict[str, Any], int]:
    """Return the mapping that a YAML file holds, and the size of the file.

    Args:
        folder: the folder of the pipelines file.
        name: the path as it is written there.
        kind: what the file should be, for messages.

    Raises:
        FileRefusedError: it lies elsewhere, cannot be read, or is no mapping in plain YAML.
    """
    file = named_path(folder, name)
    shown = name if _PLAIN_NAME.fullmatch(name) else "the file"
    try:
        text = bounded_text(file, MOST_PROBE_BYTES)
        loader = Loader(text)
        root = loader.root()
        found = loader.plain(root) if root is not None else None
    except FileRefusedError as exc:
        raise FileRefusedError(f"{shown} {exc.what}", exc.cure or "see its path") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        raise FileRefusedError(f"{shown} is not plain YAML", where_it_breaks(exc)) from None
    if not isinstance(found, dict):
        raise FileRefusedError(f"{shown} is no mapping", f"name {kind}")
    for path, scalar in misread(found):
        where = ".".join(str(part) for part in path)
        raise FileRefusedError(f"{shown}: {where} {scalar.what}", scalar.cure)
    return found, len(text)


def named_path(folder: Path, name: str) -> Path:
    """Return the real path of a file below `folder`; links are followed first.

    Args:
        folder: the folder of the pipelines file.
        name: the path as it is written there.

    Raises:
        FileRefusedError: it lies elsewhere, or the name is no single file's.
    """
    try:
        one_name(name)
    except ValueError as exc:
        raise FileRefusedError("names no single file", str(exc)) from None
    parts = name.replace("\\", "/").split("/")
    if not name.strip() or name.startswith("/") or ".." in parts or not _PATH.fullmatch(name):
        raise FileRefusedError("names no file below the folder of this file", _PATH_CURE)
    try:
        base = folder.resolve()
        real = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):  # a link that leads to itself
        raise FileRefusedError("cannot be followed to a file", _PATH_CURE) from None
    if not real.is_relative_to(base) or real == base:
        raise FileRefusedError("leads out of the folder of this file", _PATH_CURE)
    return real


def _check_tree(tree: Any) -> None:
    """Refuse what a record could not hold, without recursion."""
    if not isinstance(tree, dict):
        cure = 'it must be a JSON object; for Studio one with "Inputs"'
        raise FileRefusedError("is not a scoring request", cure)
    left: list[tuple[Any, int]] = [(tree, 1)]
    while left:
        node, depth = left.pop()
        if depth > _PROBE_DEPTH:
            raise FileRefusedError("is nested too deeply")
        if isinstance(node, dict):
            left += [(part, depth + 1) for pair in node.items() for part in pair]
        elif isinstance(node, list):
            left += [(part, depth + 1) for part in node]
        elif isinstance(node, str):
            try:
                node.encode()
            except UnicodeEncodeError:
                raise ValueError("it holds half a character") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"it holds a number of more than {_LONGEST_NUMBER} digits")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text) if len(text) <= _LONGEST_NUMBER else float("inf")
    if number in (float("inf"), float("-inf")):
        raise ValueError("it holds a number that is too large, or has too many digits")
    return number
