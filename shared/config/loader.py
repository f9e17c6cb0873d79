"""Reads pipelines.yaml: every mistake at once, each with its line, its path and a cure.

A mistake in one pipeline keeps that pipeline from being read, and no other.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from shared.config.files import bounded_text, probe_path, read_probe
from shared.config.messages import LEGAL, Found, place_of, plain_errors
from shared.config.partial import as_far_as_right, unfit
from shared.config.scalars import KeyPath, misread
from shared.config.source import (
    ConfigSource,
    find,
    line_in,
    references,
    repeated,
    secrets,
    shown_key,
)
from shared.config.yaml_reader import Loader, where_it_breaks
from shared.core.config.configuration import MOST_BYTES, Configuration
from shared.core.config.cross_field import FIELDS_ONLY, known_pairs
from shared.core.config.pipeline import PIPELINE_NAME, Pipeline
from shared.core.config.placeholders import is_example_id, not_filled_in
from shared.core.config.problems import Problem
from shared.core.config.schedule import hints_of
from shared.core.config.studio_identity import unclear
from shared.core.config.types import Strict
from shared.core.counting import counted
from shared.core.redaction import Redactor, secrets_among
from shared.errors import FileRefusedError

__all__ = ["Configuration", "json_schema", "load_pipelines"]

_MOST_PIPELINES: Final = 500
#: Problems that are listed of one pipeline.
_MOST_REPORTED: Final = 50
#: Bytes of all probe files that one pipeline, and that all of them, are given; each mention counts.
_MOST_PROBES: Final = 2 * 1024**2
_MOST_PROBES_OF_ALL: Final = 16 * 1024**2
#: A longer key is no slip of the pen.
_LONGEST_SLIP: Final = 40
_ADD_IT: Final = "add it to the app settings (locally: Values in local.settings.json), and restart"
_EXAMPLE: Final = "see pipelines.example.yaml"
_UNREADABLE: Final = (yaml.YAMLError, ValueError, TypeError, RecursionError)


def load_pipelines(
    file: Path, environment: Mapping[str, str], *, development: bool
) -> Configuration:
    """Return the pipelines of `file` that are sound, and every problem of the others.

    Args:
        file: the YAML file; files it names are found relative to it.
        environment: the app settings that `${NAME}` refers to.
        development: whether plain http on loopback is allowed.
    """
    try:
        return _Reader(file, environment, development=development).read()
    except FileRefusedError as exc:
        cure = exc.cure or "set PIPELINES_FILE, or copy pipelines.example.yaml"
        return Configuration.unreadable(Problem(file.name, exc.what, cure))
    except _UNREADABLE as exc:
        problem = Problem(file.name, "is not plain YAML", where_it_breaks(exc))
        return Configuration.unreadable(problem)
    except Exception as exc:  # noqa: BLE001 -- the app goes on by what it knows, whatever is written
        what = f"cannot be understood ({type(exc).__name__})"
        return Configuration.unreadable(Problem(file.name, what, _EXAMPLE))


class _Reader:
    """Reads the file as a whole, each pipeline by itself."""

    def __init__(self, file: Path, environment: Mapping[str, str], *, development: bool) -> None:
        self._file = file
        self._environment = environment
        self._redactor = Redactor(*secrets_among(environment))
        self._development = development
        self._loader = Loader(bounded_text(file, MOST_BYTES))
        self._probes = _Probes(file.parent)

    def read(self) -> Configuration:
        """Return what the file says.

        Raises:
            ValueError, yaml.YAMLError: nobody can say which pipelines it has.
        """
        root = self._loader.root()
        listed = _value_of(root, "pipelines")
        if root is None or listed is None or not listed.value:
            problem = Problem(self._file.name, "has no `pipelines:`", _EXAMPLE)
            return Configuration.unreadable(problem)
        source = ConfigSource(self._file.name, root)
        problems = list(_unknown_keys(source, root))
        twice = {str(key.value): key for key in repeated(listed)}
        pairs = self._loader.pairs(listed)
        if len(pairs) > _MOST_PIPELINES:
            raise ValueError(f"it lists more than {_MOST_PIPELINES} pipelines")
        pipelines: dict[str, Pipeline] = {}
        partly: dict[str, Pipeline] = {}
        broken: dict[str, tuple[Problem, ...]] = {}
        hints: list[Problem] = []
        for key, node in pairs:
            name = key.value
            reader = self._reader(source, name, twice.get(name))
            if (pipeline := reader.read(self._loader, node)) is not None:
                pipelines[name] = pipeline
                hints += reader.hints(pipeline)
                continue
            if reader.partly is not None:
                partly[name] = reader.partly
            broken[name] = _the_first(reader.problems, name, reader.unreported)
            problems += broken[name]
        for name, problem in _unclear_endpoints(source, pipelines, partly):
            pipelines.pop(name, None)
            broken[name] = (*broken.get(name, ()), problem)
            problems.append(problem)
        in_order = {name: tuple(sorted(found, key=line_in)) for name, found in broken.items()}
        told, probes = tuple(sorted(problems, key=line_in)), self._probes.files
        return Configuration(pipelines, told, in_order, tuple(hints), probes=probes)

    def _reader(
        self, source: ConfigSource, name: str, twice: yaml.Node | None
    ) -> "_PipelineReader":
        reader = _PipelineReader(
            source,
            name,
            self._environment,
            self._redactor,
            self._probes,
            development=self._development,
        )
        if twice is not None:
            reader.problems.append(source.repetition(twice, ("pipelines", name), "pipeline"))
        return reader


def _value_of(root: yaml.Node | None, key: str) -> yaml.MappingNode | None:
    """Return the mapping under a key at the top; None where there is none.

    Raises:
        ValueError: the key stands there twice.
    """
    if not isinstance(root, yaml.MappingNode):
        return None
    found = [value for name, value in root.value if name.value == key]
    if len(found) > 1:
        raise ValueError(f"`{key}:` stands twice at the top: join the two")
    return found[0] if found and isinstance(found[0], yaml.MappingNode) else None


def _unknown_keys(source: ConfigSource, root: yaml.Node) -> Iterator[Problem]:
    keys = [str(key.value) for key, _ in root.value if key.value != "pipelines"]
    for key in dict.fromkeys(keys[:_MOST_REPORTED]):
        yield source.problem((key,), "unknown key", _suggest(key, ["pipelines"]))


def _the_first(problems: list[Problem], name: str, unreported: int) -> tuple[Problem, ...]:
    """Return the problems of a pipeline, as many of them as anybody reads.

    Args:
        problems: of the pipeline.
        name: of the pipeline.
        unreported: how many there are besides.
    """
    left = len(problems) + unreported - _MOST_REPORTED
    more = (Problem(f"pipelines.{shown_key(name)}", counted(left, "more problem")),)
    return tuple(problems) if left <= 0 else (*problems[:_MOST_REPORTED], *more)


def _unclear_endpoints(
    source: ConfigSource, pipelines: Mapping[str, Pipeline], partly: Mapping[str, Pipeline]
) -> Iterator[tuple[str, Problem]]:
    """Yield pipelines whose endpoint may be another's, and be updated at once by two runs.

    Args:
        source: the file.
        pipelines: those that are sound.
        partly: the others, as far as they are right; no sound one is refused because of them.
    """
    updates = []
    for name, pipeline in (*pipelines.items(), *partly.items()):
        found = known_pairs(pipeline.endpoints, "name", "update")
        updates += [(f"{name}.{endpoint}", update) for endpoint, update in found]
    for first, second in unclear(updates):
        name = second.partition(".")[0]
        problem = source.problem(
            ("pipelines", name, "endpoints"),
            f"{second} may be the same web service as {first}, at another host",
            "write the same host in both, the one on the Update Resource help page",
        )
        yield name, problem


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the pipelines file, for editors."""
    pipeline = Pipeline.model_json_schema(by_alias=True)
    definitions = pipeline.pop("$defs")
    pipeline["properties"].pop("name")  # the key of the mapping
    pipeline["required"].remove("name")
    definitions["Pipeline"] = pipeline
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Relearn pipelines",
        "type": "object",
        "required": ["pipelines"],
        "additionalProperties": False,
        "properties": {
            "pipelines": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/Pipeline"},
            }
        },
        "$defs": definitions,
    }


class _Probes:
    """Reads probe files, each once, and counts what they add to the records."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = _MOST_PROBES_OF_ALL
        self._known: dict[str, tuple[dict[str, Any], int]] = {}
        self._named: dict[Path, None] = {}

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were asked for, in the folder of the pipelines file or below it."""
        return tuple(self._named)

    def read(self, name: str, left: int) -> tuple[dict[str, Any], int]:
        """Return the content of a probe file and its size.

        Args:
            name: its path as it is written.
            left: how many bytes the pipeline may still be given.

        Raises:
            FileRefusedError: it cannot be used, or is one too many.
        """
        if name not in self._known:
            self._named[probe_path(self._folder, name)] = None
            self._known[name] = read_probe(self._folder, name)
        rows, size = self._known[name]
        self._left -= size
        if size > left or self._left < 0:
            most = (_MOST_PROBES if size > left else _MOST_PROBES_OF_ALL) // 1024
            whose = "this pipeline" if size > left else "all pipelines"
            raise FileRefusedError(
                f"makes the probe files of {whose} larger than {most} KB", "use fewer rows"
            )
        return rows, size


class _PipelineReader:
    """Reads one pipeline; whatever is wrong with it is in `problems`."""

    def __init__(
        self,
        source: ConfigSource,
        name: str,
        environment: Mapping[str, str],
        redactor: Redactor,
        probes: _Probes,
        *,
        development: bool,
    ) -> None:
        self.problems: list[Problem] = []
        self.unreported = 0  #: how many mistakes there are besides
        self.partly: Pipeline | None = None  #: with `UNKNOWN` in place of what is wrong
        self._source = source
        self._name = name
        self._environment = environment
        self._redactor = redactor
        self._probes = probes
        self._development = development

    def read(self, loader: Loader, node: yaml.Node) -> Pipeline | None:
        """Return the pipeline when nothing is wrong with it. Never raises.

        Args:
            loader: that composed the file.
            node: what the file says of the pipeline.
        """
        try:
            found = self._source.duplicates(node, ("pipelines", self._name))
            self.problems += islice(found, _MOST_REPORTED)
            raw = loader.plain(node)
        except _UNREADABLE as exc:
            self._add((), "is not plain YAML", where_it_breaks(exc))
            return None
        if not isinstance(raw, dict):
            self._add((), "must be a mapping", _EXAMPLE)
            return None
        try:
            return self._read(raw)
        except Exception as exc:  # noqa: BLE001 -- one odd pipeline never stops the others
            self._add((), f"cannot be understood ({type(exc).__name__})", _EXAMPLE)
        return None

    def hints(self, pipeline: Pipeline) -> Iterator[Problem]:
        """Yield what a sound pipeline does that its writer may not expect."""
        for hint in hints_of(pipeline.schedule):
            yield self._source.problem(("pipelines", self._name, "schedule"), hint)
        urls: dict[KeyPath, str] = {("training", "service"): pipeline.training.service}
        for at, endpoint in enumerate(pipeline.endpoints):
            urls["endpoints", at, "update"] = endpoint.update
        for path, url in urls.items():
            if is_example_id(url):
                what = "holds an id of the example file, which no service has"
                yield self._source.problem(("pipelines", self._name, *path), what, "write yours")

    def _read(self, tree: dict[str, Any]) -> Pipeline | None:
        for path, name in references(tree):
            value = self._environment.get(name)
            if not value:
                self._add(path, f"app setting {name} is not set", _ADD_IT)
            elif (found := not_filled_in(value)) is not None:
                self._add(path, f"app setting {name}: {found[0]}", found[1])
        for path, scalar in misread(tree):
            self._add(path, scalar.what, scalar.cure)
        secret = list(secrets(tree, self._redactor))
        for path in secret:
            cure = "put it into an app setting, and name that as ${NAME}"
            self._add(path, "holds what looks like a signature or a key", cure)
        if "name" in tree:
            self._add(("name",), "unknown key", "the name is the key that the pipeline stands at")
        self._read_probes(tree)
        pipeline = self._checked({**tree, "name": self._name}, secret)
        return None if self.problems else pipeline

    def _checked(self, tree: dict[str, Any], secret: Sequence[KeyPath]) -> Pipeline | None:
        """Return the pipeline, and note each mistake: of single fields, and of several together.

        Args:
            tree: what the file says of the pipeline.
            secret: the fields that hold a secret: no check over several fields may repeat one.
        """
        context = {"development": self._development, FIELDS_ONLY: True}
        wrong = [(path, "secret") for path in secret]
        pipeline: Pipeline | None
        try:
            pipeline = Pipeline.model_validate(tree, context=context)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
            for error in plain_errors(errors[: _MOST_REPORTED + 1], tree):
                self._add_error(error)
            if len(errors) > _MOST_REPORTED:
                self.unreported = len(errors) - _MOST_REPORTED - 1
                return None
            wrong += [(place_of(error, tree), error["type"]) for error in errors]
        if wrong:
            pipeline = as_far_as_right(Pipeline, tree, wrong, context)
        self.partly = pipeline
        for path, text in unfit(pipeline, partly=bool(wrong)) if pipeline is not None else ():
            self._add_error(Found(path, "value_error", text))
        return pipeline

    def _read_probes(self, tree: dict[str, Any]) -> None:
        left = _MOST_PROBES
        for path, holder in list(find(tree, ("endpoints", "*", "verify", "rows"))):
            named, holder["rows"] = holder["rows"], _HARMLESS_PROBE
            if not isinstance(named, str):
                self._add(path, "must name a file", "a JSON file with the request body to score")
                continue
            try:
                holder["rows"], size = self._probes.read(named, left)
                left -= size
            except FileRefusedError as exc:
                self._add(path, exc.what, exc.cure)

    def _add(self, path: KeyPath, what: str, cure: str = "") -> None:
        self.problems.append(self._source.problem(("pipelines", self._name, *path), what, cure))

    def _add_error(self, error: Found) -> None:
        path, what, cure = error.path, error.what, ""
        if error.kind == "extra_forbidden":
            what, cure = "unknown key", _suggest(str(path[-1]), _known_keys(path[:-1]))
        elif path == ("name",):
            path, what = (), "not a pipeline name"
            cure = LEGAL[PIPELINE_NAME]
        elif ": " in what:
            what, _, cure = what.partition(": ")
        self._add(path, what, cure)


#: Stands for a probe file that is already reported as unreadable.
_HARMLESS_PROBE: Final = {"Inputs": {"input1": {"ColumnNames": ["x"], "Values": [["0"]]}}}


def _known_keys(path: KeyPath) -> list[str]:
    model: type[BaseModel] = Pipeline
    for part in path:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # a position, or the kind of one of several forms
        annotation = model.model_fields[str(part)].annotation if model else None
        inner = next(_models(annotation), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[Strict]]:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def _suggest(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, n=1) if len(key) <= _LONGEST_SLIP else []
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(known)}" if known else "remove it"
