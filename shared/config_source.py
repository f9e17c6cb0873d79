"""The pipelines file as it was written: where each key stands, and what its texts refer to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from shared.core.references import references_in
from shared.settings import Problem

_MOST_NODES: Final = 100_000

KeyPath = tuple[str | int, ...]


class Source:
    """The file as it was written: where each path stands in it."""

    def __init__(self, file: Path, node: yaml.Node | None) -> None:
        self.file = file
        self._node = node

    def problem(self, path: KeyPath, what: str, cure: str = "") -> Problem:
        """Return a problem at `path`, or at the nearest part of it that is written."""
        shown = ".".join(map(str, path))
        return Problem(f"{self.file.name}:{self._line(path)}: {shown}", what, cure)

    def duplicates(self) -> Iterator[Problem]:
        """Yield every key that stands twice in one mapping; YAML would keep the last."""
        yield from self._duplicates(self._node, ())

    def _duplicates(self, node: yaml.Node | None, path: KeyPath) -> Iterator[Problem]:
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield from self._duplicates(item, (*path, index))
        if not isinstance(node, yaml.MappingNode):
            return
        seen: set[str] = set()
        for key, value in node.value:
            here = (*path, str(key.value))
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {key.start_mark.line + 1}: a key must be a word")  # noqa: TRY004 -- the file's fault
            if key.value in seen:
                kind = "pipeline" if path == ("pipelines",) else "key"
                line = key.start_mark.line + 1
                where = f"{self.file.name}:{line}: {'.'.join(map(str, here))}"
                yield Problem(where, f"a {kind} of this name stands above already", "rename one")
            seen.add(key.value)
            yield from self._duplicates(value, here)

    def _line(self, path: KeyPath) -> int:
        node, line = self._node, 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
                if found is None:
                    break
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line


def find(tree: Any, pattern: tuple[str, ...]) -> Iterator[tuple[KeyPath, dict[Any, Any]]]:
    """Yield the place of each key that `pattern` names; `*` stands for each item of a list."""
    heads: list[tuple[KeyPath, Any]] = [((), tree)]
    for part in pattern[:-1]:
        if part == "*":
            heads = [
                ((*path, index), item)
                for path, node in heads
                if isinstance(node, list)
                for index, item in enumerate(node)
            ]
        else:
            heads = [
                ((*path, part), node[part])
                for path, node in heads
                if isinstance(node, dict) and part in node
            ]
    for path, node in heads:
        if isinstance(node, dict) and pattern[-1] in node:
            yield (*path, pattern[-1]), node


def texts(node: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text of the tree with its path, other than the content of probe files."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "rows":
                yield from texts(value, (*path, str(key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, (*path, index))
    elif isinstance(node, str):
        yield path, node


def references(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Yield each app setting that a text refers to as `${NAME}`, with the text's path."""
    for path, value in texts(tree):
        for name in references_in(value):
            yield path, name


def plain_tree(node: Any) -> Any:
    """Return what YAML made of the file with text for keys and for dates.

    Raises:
        ValueError: aliases blow it up beyond what a person writes.
    """
    return _plain(node, [_MOST_NODES])


def _plain(node: Any, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("it holds more than a person writes: are aliases nested?")
    if isinstance(node, dict):
        return {str(key): _plain(value, left) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value, left) for value in node]
    return node if node is None or isinstance(node, bool | int | float | str) else str(node)


def where_it_breaks(exc: Exception) -> str:
    """Return where and why the file cannot be read, without repeating any of its content."""
    if isinstance(exc, RecursionError):
        return "it is nested too deeply"
    if isinstance(exc, yaml.MarkedYAMLError) and exc.problem_mark is not None:
        line = f"line {exc.problem_mark.line + 1}"
        if isinstance(exc, yaml.composer.ComposerError):  # its text repeats what follows the *
            return f"{line}: an alias that stands for nothing: quote a value that begins with *"
        known = not isinstance(exc, yaml.constructor.ConstructorError)
        return f"{line}: {exc.problem if known else 'a tag or value that is not plain YAML'}"
    if isinstance(exc, yaml.YAMLError):
        return "it holds characters that are not allowed in YAML"
    return str(exc) if isinstance(exc, ValueError) else "it holds a key that is not a word"
