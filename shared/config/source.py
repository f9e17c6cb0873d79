"""The pipelines file as it was written: where each key is, and what its texts refer to."""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from shared.config.yaml_reader import KeyPath, line_of
from shared.core.config.problems import Problem
from shared.core.config.setting_references import references_in
from shared.core.counting import counted
from shared.core.redaction import Redactor, one_line

#: The longest part of a key that is shown.
_LONGEST_KEY: Final = 80
#: What must be in an app setting; a text that names the setting itself is fine.
_SECRET: Final = re.compile(
    r"(?:(?<![a-z])|(?<=3f))(?:sig|signature|sharedaccesssignature|sharedaccesskey|accountkey|password|pwd)"
    r"\s*(?:=|%3d|%253d)\s*(?!\$\{)[^\s;&]",
    re.IGNORECASE,
)


def shown_key(key: str) -> str:
    """Return a key for people. A long one is not cut: a part of a secret would not be known."""
    return (
        one_line(key)
        if len(key) <= _LONGEST_KEY
        else f"(a key of {counted(len(key), 'character')})"
    )


class ConfigSource:
    """The file as it was written: where each path is in it."""

    def __init__(self, name: str, root: yaml.Node) -> None:
        self.name = name
        self._root = root
        self._keys: dict[int, dict[str, tuple[int, yaml.Node]]] = {}

    def problem(self, path: KeyPath, what: str, advice: str = "") -> Problem:
        """Return a problem at `path`, or at the nearest part of it that is written."""
        return self._problem(self._line(path), path, what, advice)

    def _problem(self, line: int, path: KeyPath, what: str, advice: str = "") -> Problem:
        shown = ".".join(shown_key(str(part)) for part in path)
        return Problem(f"{self.name}:{line}: {shown}", what, advice)

    def duplicates(self, node: yaml.Node, path: KeyPath) -> Iterator[Problem]:
        """Yield every key that is there twice in one mapping below `node`.

        YAML would keep the last. What several aliases name is checked once.
        """
        yield from self._duplicates(node, path, set())

    def _duplicates(self, node: yaml.Node, path: KeyPath, seen: set[int]) -> Iterator[Problem]:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield from self._duplicates(item, (*path, index), seen)
        if not isinstance(node, yaml.MappingNode):
            return
        for key in repeated(node):
            here = (*path, str(key.value))
            yield self.repetition(key, here)
        for key, value in node.value:
            yield from self._duplicates(value, (*path, str(key.value)), seen)

    def repetition(self, key: yaml.Node, path: KeyPath, kind: str = "key") -> Problem:
        """Return the problem of a key that is written above already."""
        what = f"a {kind} of this name is written above already"
        return self._problem(line_of(key), path, what, "rename one")

    def _line(self, path: KeyPath) -> int:
        node, line = self._root, 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = self._index(node).get(str(part))
                if found is None:
                    break
                line, node = found
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = line_of(node)
            else:
                break
        return line

    def _index(self, node: yaml.MappingNode) -> dict[str, tuple[int, yaml.Node]]:
        known = self._keys.get(id(node))
        if known is None:
            known = {str(key.value): (line_of(key), value) for key, value in node.value}
            self._keys[id(node)] = known
        return known


def line_in(problem: Problem) -> int:
    """Return the line of the file that a problem is at; those of no line are last."""
    found = re.match(r"(?:blob:)?[^:]*:(\d+): ", problem.where)
    return int(found[1]) if found else 10**9


def repeated(node: yaml.MappingNode) -> list[yaml.Node]:
    """Return the keys of a mapping that are written above already."""
    seen: set[str] = set()
    found = []
    for key, _ in node.value:
        if str(key.value) in seen:
            found.append(key)
        seen.add(str(key.value))
    return found


def find(tree: Any, pattern: tuple[str, ...]) -> Iterator[tuple[KeyPath, dict[Any, Any]]]:
    """Yield the location of each key that `pattern` names; `*` stands for each item of a list."""
    found_keys: list[tuple[KeyPath, Any]] = [((), tree)]
    for part in pattern[:-1]:
        if part == "*":
            found_keys = [
                ((*path, index), item)
                for path, node in found_keys
                if isinstance(node, list)
                for index, item in enumerate(node)
            ]
        else:
            found_keys = [
                ((*path, part), node[part])
                for path, node in found_keys
                if isinstance(node, dict) and part in node
            ]
    for path, node in found_keys:
        if isinstance(node, dict) and pattern[-1] in node:
            yield (*path, pattern[-1]), node


def texts(node: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text of the tree with its path."""
    if isinstance(node, dict):
        for key, value in node.items():
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


def secrets(tree: dict[str, Any], redactor: Redactor) -> Iterator[KeyPath]:
    """Yield the path of each text that holds what looks like a signature or a key, or is one.

    What the file says in clear would be kept, shown and sent as it is.

    Args:
        tree: a part of the file.
        redactor: knows the values of the app settings that are secrets.
    """
    for path, value in texts(tree):
        if _SECRET.search(value) or any(redactor.names_secret(str(one)) for one in (value, *path)):
            yield path
