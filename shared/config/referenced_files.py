"""Puts the content of the files that a pipeline names into its place: requests, jobs, deployments.

A file that cannot be read is reported where it is named; its content is then not known, so that
no check fails because of it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from shared.config.files import MOST_PROBES, NamedFiles
from shared.config.source import find, secrets
from shared.config.yaml_reader import KeyPath
from shared.core.config.compare import MLFLOW_REQUEST
from shared.core.config.cross_field import UNKNOWN
from shared.core.config.kinds import AZUREML, endpoint_kind, training_kind
from shared.core.redaction import Redactor
from shared.errors import FileRefusedError

#: Notes a mistake: where, what, and the advice.
Note = Callable[[KeyPath, str, str], None]
#: Replaces a probe file that is reported as unreadable.
_HARMLESS_PROBE: Final = {"Inputs": {"input1": {"ColumnNames": ["x"], "Values": [["0"]]}}}
_JOB: Final = (
    "a YAML file that `az ml job create -f` takes",
    "put it where the job reads it at run time, such as a key vault",
)
_DEPLOYMENT: Final = (
    "a YAML file that `az ml online-deployment create -f` takes",
    "have the container read it at run time, such as from a key vault",
)


class PipelineFiles:
    """Reads the files that one pipeline names, within its bounds.

    Args:
        files: reads files of the whole configuration.
        redactor: knows the app settings that are secrets.
        note: notes a mistake.
    """

    def __init__(self, files: NamedFiles, redactor: Redactor, note: Note) -> None:
        self.unread = False  #: whether a value is `UNKNOWN`, because its file cannot be read
        self._files = files
        self._redactor = redactor
        self._note = note
        self._left = MOST_PROBES  #: bytes of files that it may still name

    def put_into(self, tree: dict[str, Any]) -> None:
        """Replace the names of files by their content."""
        for path, holder in list(find(tree, ("endpoints", "*", "verify", "rows"))):
            self._put_probe(path, holder)
        for path, holder in list(find(tree, ("gate", "compare", "request"))):
            if holder["request"] not in (MLFLOW_REQUEST, None):
                self._put_template(path, holder)
        for path, holder in _named_in_yaml(tree):
            self._put_yaml(path, holder, _JOB if path[-1] == "job" else _DEPLOYMENT)

    def _put_probe(self, path: KeyPath, holder: dict[Any, Any]) -> None:
        named, holder["rows"] = holder["rows"], _HARMLESS_PROBE
        if not isinstance(named, str):
            self._note(path, "must name a file", "a JSON file with the request body to score")
            return
        try:
            holder["rows"], size = self._files.probe(named, self._left)
            self._left -= size
        except FileRefusedError as exc:
            self._note(path, exc.what, exc.advice)

    def _put_template(self, path: KeyPath, holder: dict[Any, Any]) -> None:
        """Put the body of a request in the place of its file's name; `UNKNOWN` without it."""
        named, holder["request"] = holder["request"], UNKNOWN
        self.unread, known = True, self.unread
        if not isinstance(named, str):
            self._note(path, "must be mlflow or name a file", "a JSON file with the request body")
            return
        try:
            holder["request"], size = self._files.probe(named, self._left)
        except FileRefusedError as exc:
            self._note(path, exc.what, exc.advice)
            return
        self.unread = known
        self._left -= size

    def _put_yaml(self, path: KeyPath, holder: dict[Any, Any], words: tuple[str, str]) -> None:
        """Put the content of a YAML file into its place; `UNKNOWN` where it cannot be read.

        Args:
            path: of the key.
            holder: the mapping with the key.
            words: what the file is, and where a secret in it belongs.
        """
        key, (kind, instead) = path[-1], words
        named, holder[key] = holder[key], UNKNOWN
        self.unread, known = True, self.unread
        if not isinstance(named, str):
            self._note(path, "must name a file", kind)
            return
        try:
            content, size = self._files.yaml(named, self._left, kind)
        except FileRefusedError as exc:
            self._note(path, exc.what, exc.advice)
            return
        self._left -= size
        for inner in secrets(content, self._redactor):
            self._note((*path, *inner), "holds what looks like a signature or a key", instead)
            return
        holder[key], self.unread = content, known


def _named_in_yaml(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[Any, Any]]]:
    """Yield each key that names a YAML file, with the mapping that has it."""
    for path, training in find(tree, ("training", "job")):
        if training_kind(training) == AZUREML and training["job"] is not None:
            yield path, training
    for path, endpoint in find(tree, ("endpoints", "*", "deployment")):
        if endpoint_kind(endpoint) == AZUREML and endpoint["deployment"] is not None:
            yield path, endpoint
