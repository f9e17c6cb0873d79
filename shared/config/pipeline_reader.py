"""Reads one pipeline of the pipelines file, and reports every mistake in it at once.

Mistakes over several fields are then reported together with those in single fields.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from shared.config.files import NamedFiles
from shared.config.messages import LEGAL, Found, path_of, plain_errors
from shared.config.referenced_files import PipelineFiles
from shared.config.source import ConfigSource, references, secrets
from shared.config.yaml_reader import KeyPath, Loader, misread, where_it_breaks
from shared.core.config.cross_field import FIELDS_ONLY, UNKNOWN, mistakes
from shared.core.config.kinds import (
    ENDPOINT_CLASSES,
    TRAINING_KINDS,
    endpoint_kind,
    training_kind,
)
from shared.core.config.pipeline import PIPELINE_NAME, Pipeline
from shared.core.config.problems import Mistake, Problem
from shared.core.config.schedule import hints_of
from shared.core.config.setting_references import is_example_id, not_filled_in
from shared.core.config.types import Strict
from shared.core.redaction import Redactor

#: How often, at most, what holds a wrong value is left out as well.
_ROUNDS: Final = 10

M = TypeVar("M", bound=BaseModel)
#: How many problems of one pipeline are listed.
MOST_REPORTED: Final = 50
EXAMPLE: Final = "see pipelines.azureml.yaml"
UNREADABLE: Final = (yaml.YAMLError, ValueError, TypeError, RecursionError)
#: A longer key is not a slip of the pen.
_LONGEST_SLIP: Final = 40
_ADD_IT: Final = "add it to the app settings (locally: Values in local.settings.json), and restart"


def as_far_as_right(
    model: type[M], tree: Mapping[str, Any], wrong: Iterable[tuple[KeyPath, str]], context: Any
) -> M | None:
    """Return the value with `UNKNOWN` for wrong parts; None if nothing is left.

    Args:
        model: the type of the value.
        tree: the value as it was read.
        wrong: the path of each mistake, and its kind in pydantic's words.
        context: of the validation.
    """
    left = copy.deepcopy(dict(tree))
    for _ in range(_ROUNDS):
        # A value that may have several forms is refused once for each of them.
        for path, kind in dict(wrong).items():
            if not _leave_out(left, path, unknown_key=kind == "extra_forbidden"):
                return None
        try:
            return model.model_validate(left, context=context)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
            wrong = [(path_of(error, left), error["type"]) for error in errors]
    return None


def all_mistakes(
    model: Strict, path: KeyPath = (), *, partly: bool
) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield every mistake over several fields, of a model and of all its parts, with its path.

    Args:
        model: a configuration.
        path: its path in the file.
        partly: whether something in it is `UNKNOWN`.
    """
    for mistake in mistakes(model, partly=partly):
        yield (*path, *mistake.at), mistake
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Strict):
            yield from all_mistakes(value, (*path, name), partly=partly)
        elif isinstance(value, tuple):
            for at, item in enumerate(value):
                if isinstance(item, Strict):
                    yield from all_mistakes(item, (*path, name, at), partly=partly)


def _leave_out(tree: Any, path: KeyPath, *, unknown_key: bool) -> bool:
    """Set the value at a path to `UNKNOWN`; what holds it, if the value is `UNKNOWN` already."""
    nodes = [tree]
    for part in path:
        nodes.append(_child(nodes[-1], part))
    while path:
        *_, holder, value = nodes[: len(path) + 1]
        if isinstance(holder, dict) and unknown_key and path[-1] in holder:
            del holder[path[-1]]
            return True
        can_be_set = isinstance(holder, dict) or (isinstance(holder, list) and value is not None)
        if can_be_set and value is not UNKNOWN:
            holder[path[-1]] = UNKNOWN
            return True
        path = path[:-1]
    return False


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


class PipelineReader:
    """Reads one pipeline, and collects every mistake in `problems`.

    Args:
        source: the file.
        name: of the pipeline.
        environment: the app settings that `${NAME}` refers to.
        redactor: knows the secrets among them.
        files: reads the files that the pipeline names.
        development: whether plain http on loopback is allowed.
    """

    def __init__(
        self,
        source: ConfigSource,
        name: str,
        environment: Mapping[str, str],
        redactor: Redactor,
        files: NamedFiles,
        *,
        development: bool,
    ) -> None:
        self.problems: list[Problem] = []
        self.unreported = 0  #: how many more mistakes there are
        self.partly: Pipeline | None = None  #: with `UNKNOWN` for wrong values
        self._source = source
        self._name = name
        self._environment = environment
        self._redactor = redactor
        self._files = PipelineFiles(files, redactor, self._add)
        self._tree: dict[str, Any] = {}
        self._development = development

    def read(self, loader: Loader, node: yaml.Node) -> Pipeline | None:
        """Return the pipeline if nothing is wrong with it. Never raises.

        Args:
            loader: the loader of the file.
            node: the pipeline in the file.
        """
        try:
            found = self._source.duplicates(node, ("pipelines", self._name))
            self.problems += islice(found, MOST_REPORTED)
            raw = loader.plain(node)
        except UNREADABLE as exc:
            self._add((), "is not plain YAML", where_it_breaks(exc))
            return None
        if not isinstance(raw, dict):
            self._add((), "must be a mapping", EXAMPLE)
            return None
        try:
            return self._read(raw)
        except Exception as exc:  # noqa: BLE001 -- one odd pipeline never stops the others
            self._add((), f"cannot be understood ({type(exc).__name__})", EXAMPLE)
        return None

    def hints(self, pipeline: Pipeline) -> Iterator[Problem]:
        """Yield what a sound pipeline does that its author may not expect."""
        for hint in hints_of(pipeline.schedule):
            yield self._source.problem(("pipelines", self._name, "schedule"), hint)
        urls: dict[KeyPath, str] = {
            ("training", name): url for name, url in pipeline.training.written_urls.items()
        }
        for at, endpoint in enumerate(pipeline.endpoints):
            written = self._tree["endpoints"][at]
            for name, url in endpoint.written_urls.items():
                if name in written:  # else it is that of the training
                    urls["endpoints", at, name] = url
            for found in endpoint.hints(pipeline.training):
                path = ("pipelines", self._name, "endpoints", at, *found.at)
                yield self._source.problem(path, found.what, found.advice)
        for place, url in urls.items():
            if is_example_id(url):
                what = "holds an id of the example file, which no service has"
                yield self._source.problem(("pipelines", self._name, *place), what, "write yours")

    def _read(self, tree: dict[str, Any]) -> Pipeline | None:
        for path, name in references(tree):
            value = self._environment.get(name)
            if not value:
                self._add(path, f"app setting {name} is not set", _ADD_IT)
            elif (found := not_filled_in(value)) is not None:
                self._add(path, f"app setting {name}: {found[0]}", found[1])
        for path, scalar in misread(tree):
            self._add(path, scalar.what, scalar.advice)
        secret = list(secrets(tree, self._redactor))
        for path in secret:
            advice = "put it into an app setting, and name that as ${NAME}"
            self._add(path, "holds what looks like a signature or a key", advice)
        if "name" in tree:
            self._add(("name",), "unknown key", "the key above the pipeline is its name")
        self._files.put_into(tree)
        self._tree = {**tree, "name": self._name}
        pipeline = self._checked(self._tree, secret)
        return None if self.problems else pipeline

    def _checked(self, tree: dict[str, Any], secret: Sequence[KeyPath]) -> Pipeline | None:
        """Return the pipeline, and note each mistake: in single fields, and over several.

        Args:
            tree: the pipeline as it was read.
            secret: the fields that hold a secret: no check over several fields may repeat one.
        """
        context = {"development": self._development, FIELDS_ONLY: True}
        wrong = [(path, "secret") for path in secret]
        pipeline: Pipeline | None
        try:
            pipeline = Pipeline.model_validate(tree, context=context)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
            for error in plain_errors(errors[: MOST_REPORTED + 1], tree):
                self._add_error(error)
            if len(errors) > MOST_REPORTED:
                self.unreported = len(errors) - MOST_REPORTED - 1
                return None
            wrong += [(path_of(error, tree), error["type"]) for error in errors]
        if wrong:
            pipeline = as_far_as_right(Pipeline, tree, wrong, context)
        self.partly = pipeline
        if pipeline is not None:
            for path, mistake in all_mistakes(pipeline, partly=bool(wrong) or self._files.unread):
                self._add(path, mistake.what, mistake.advice)
        return pipeline

    def _add(self, path: KeyPath, what: str, advice: str = "") -> None:
        self.problems.append(self._source.problem(("pipelines", self._name, *path), what, advice))

    def _add_error(self, error: Found) -> None:
        path, what, advice = error.path, error.what, error.advice
        if error.kind == "extra_forbidden":
            what, advice = _unknown_key(path, self._tree)
        elif path == ("name",):
            path, what, advice = (), "not a pipeline name", LEGAL[PIPELINE_NAME]
        self._add(path, what, advice)


def _unknown_key(path: KeyPath, tree: Any) -> tuple[str, str]:
    """Return what is wrong with a key that its place does not know, and the advice.

    Args:
        path: of the key.
        tree: the pipeline as it was read.
    """
    model = _model_at(path[:-1], tree)
    refused = model.refused_keys.get(str(path[-1])) if model is not None else None
    known = list(model.model_fields) if model is not None else []
    return refused or ("unknown key", suggest(str(path[-1]), known))


def _model_at(path: KeyPath, tree: Any) -> type[Strict] | None:
    """Return the model of the mapping at a path; of several kinds, that of the present one."""
    model: type[Strict] = Pipeline
    node, kinds = tree, None
    for part in path:
        node = _child(node, part)
        if isinstance(part, int):
            model = ENDPOINT_CLASSES.get(endpoint_kind(node) or "", model) if kinds else model
            continue  # a position
        if part not in model.model_fields:
            continue  # a name
        inner: type[Strict] | None = next(_models(model.model_fields[part].annotation), None)
        if model is Pipeline and part == "training":
            inner = TRAINING_KINDS.get(training_kind(node) or "", inner)
        kinds = part if model is Pipeline and part == "endpoints" else None
        if inner is None:
            return None
        model = inner
    return model


def _models(annotation: Any) -> Iterator[type[Strict]]:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def suggest(key: str, known: list[str]) -> str:
    """Return the advice for an unknown key: the known key that it resembles, or all of them.

    Args:
        key: as it is written.
        known: the keys that may be there.
    """
    close = get_close_matches(key, known, n=1) if len(key) <= _LONGEST_SLIP else []
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(known)}" if known else "remove it"
