"""Reads the files of the configuration: each within bounds, and none outside its folder."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from typing import Any, Final

import yaml

from shared.config.file_locations import PATH_ADVICE, PLAIN_PATH
from shared.config.yaml_reader import Loader, misread, where_it_breaks
from shared.core.config.pattern import one_name
from shared.errors import FileRefusedError
from shared.ports.files import Files

#: Bytes of one file. Its content is stored with each run.
MOST_PROBE_BYTES: Final = 256 * 1024
#: Bytes of all probe files that one pipeline names, and that all of them name; each mention counts.
MOST_PROBES: Final = 2 * 1024**2
_MOST_PROBES_OF_ALL: Final = 16 * 1024**2
_PROBE_DEPTH: Final = 20
_LONGEST_NUMBER: Final = 40
#: A name that is safe to repeat: nobody's key looks like it.
_PLAIN_NAME: Final = re.compile(r"[\w./-]{1,96}\.(?:json|ya?ml)", re.ASCII)


def bounded_text(files: Files, file: PurePath, most: int) -> str:
    """Return the text of a file.

    Args:
        files: where it is.
        file: the file.
        most: its bytes at most.

    Raises:
        FileRefusedError: it is not there, not a file, too large, or no UTF-8 text.
    """
    try:
        return files.read(file, most).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefusedError("is not UTF-8 text", "save it as UTF-8") from None


class NamedFiles:
    """Reads the files that pipelines name, each once, and counts the bytes that they add.

    The content is stored with each run. Requests are JSON; jobs and deployments are YAML.

    Args:
        files: where they are.
        folder: of the pipelines file.
    """

    def __init__(self, files: Files, folder: PurePath) -> None:
        self._files, self._folder = files, folder
        self._left = _MOST_PROBES_OF_ALL
        self._known: dict[tuple[str, str], tuple[dict[str, Any], int]] = {}

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
        self, name: str, left: int, read: Callable[[str, str], tuple[dict[str, Any], int]]
    ) -> tuple[dict[str, Any], int]:
        form = "json" if read is read_probe else "yaml"
        if (name, form) not in self._known:
            file = self._file(name)
            shown = name if _PLAIN_NAME.fullmatch(name) else "the file"
            try:
                text = bounded_text(self._files, file, MOST_PROBE_BYTES)
            except FileRefusedError as exc:
                raise FileRefusedError(
                    f"{shown} {exc.what}", exc.advice or "see its path"
                ) from None
            self._known[name, form] = read(text, shown)
        content, size = self._known[name, form]
        self._left -= size
        if size > left or self._left < 0:
            most = (MOST_PROBES if size > left else _MOST_PROBES_OF_ALL) // 1024
            whose = "this pipeline" if size > left else "the whole file"
            raise FileRefusedError(
                f"makes the files that {whose} names larger than {most} KB", "use fewer rows"
            )
        return content, size

    def _file(self, name: str) -> PurePath:
        """Return the file of a name. Raises FileRefusedError: it is not that of a single file."""
        try:
            one_name(name)
        except ValueError as exc:
            raise FileRefusedError("does not name a single file", str(exc)) from None
        parts = name.replace("\\", "/").split("/")
        if not name.strip() or name.startswith("/") or ".." in parts:
            raise FileRefusedError(
                "does not name a file below the folder of this file", PATH_ADVICE
            )
        if not PLAIN_PATH.fullmatch(name):
            raise FileRefusedError(
                "does not name a file below the folder of this file", PATH_ADVICE
            )
        return self._files.below(self._folder, name)


def read_probe(text: str, shown: str) -> tuple[dict[str, Any], int]:
    """Return the scoring request that a probe file holds, and its size.

    Args:
        text: the content of the file.
        shown: what messages call the file.

    Raises:
        FileRefusedError: it is not a JSON object.
    """
    try:
        rows = json.loads(
            text, parse_constant=_no_number, parse_int=_integer, parse_float=_fraction
        )
        _check_tree(rows)
    except FileRefusedError as exc:
        raise FileRefusedError(f"{shown} {exc.what}", exc.advice or "see its path") from None
    except RecursionError:
        raise FileRefusedError(f"{shown} is nested too deeply") from None
    except json.JSONDecodeError as exc:
        raise FileRefusedError(f"{shown} is not JSON", f"see its line {exc.lineno}") from None
    except ValueError as exc:  # ours: it repeats nothing
        raise FileRefusedError(f"{shown} is not JSON that a record can hold", str(exc)) from None
    return rows, len(text)


def read_yaml(text: str, shown: str, kind: str) -> tuple[dict[str, Any], int]:
    """Return the mapping that a YAML file holds, and its size.

    Args:
        text: the content of the file.
        shown: what messages call the file.
        kind: what the file should be, for messages.

    Raises:
        FileRefusedError: it is not a mapping in plain YAML.
    """
    try:
        loader = Loader(text)
        root = loader.root()
        found = loader.plain(root) if root is not None else None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        raise FileRefusedError(f"{shown} is not plain YAML", where_it_breaks(exc)) from None
    if not isinstance(found, dict):
        raise FileRefusedError(f"{shown} is not a mapping", f"name {kind}")
    for path, scalar in misread(found):
        where = ".".join(str(part) for part in path)
        raise FileRefusedError(f"{shown}: {where} {scalar.what}", scalar.advice)
    return found, len(text)


def _check_tree(tree: Any) -> None:
    """Refuse what a record could not hold, without recursion."""
    if not isinstance(tree, dict):
        advice = 'it must be a JSON object; for Studio one with "Inputs"'
        raise FileRefusedError("is not a scoring request", advice)
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
    raise ValueError(f"{text} is not a number in JSON")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"it holds a number of more than {_LONGEST_NUMBER} digits")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text) if len(text) <= _LONGEST_NUMBER else float("inf")
    if number in (float("inf"), float("-inf")):
        raise ValueError("it holds a number that is too large, or has too many digits")
    return number
