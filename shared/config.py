"""Reads pipelines.yaml: every mistake at once, each with its line, its path and a cure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.config_source import (
    KeyPath,
    Source,
    find,
    plain_tree,
    references,
    where_it_breaks,
)
from shared.core.config_types import Strict
from shared.core.identity import unclear
from shared.core.pipeline import Pipeline
from shared.settings import Problem


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the pipelines file says, as far as `problems` does not say otherwise."""

    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def load_pipelines(
    file: Path, environment: Mapping[str, str], *, development: bool
) -> Configuration:
    """Return the pipelines of `file`, or every problem that is in it and none of them.

    Args:
        file: the YAML file; files it names are found relative to it.
        environment: the app settings that `${NAME}` refers to.
        development: whether plain http on loopback is allowed.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as exc:
        cure = "set PIPELINES_FILE, or copy pipelines.example.yaml"
        return _refused(Problem(file.name, f"cannot be read ({exc.strerror})", cure))
    except UnicodeDecodeError:
        return _refused(Problem(file.name, "is not UTF-8 text"))
    try:
        source = Source(file, yaml.compose(text, Loader=yaml.SafeLoader))
        problems = list(source.duplicates())
        tree = plain_tree(yaml.safe_load(text))
        return _read(source, tree, problems, environment, development=development)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as exc:
        return _refused(Problem(file.name, "is not plain YAML", where_it_breaks(exc)))


def _read(
    source: Source,
    tree: Any,
    problems: list[Problem],
    environment: Mapping[str, str],
    *,
    development: bool,
) -> Configuration:
    listed = tree.get("pipelines") if isinstance(tree, dict) else None
    if not isinstance(listed, dict) or not listed:
        cure = "see pipelines.example.yaml"
        return _refused(Problem(source.file.name, "has no `pipelines:`", cure))
    problems += [
        source.problem((key,), "unknown key", _suggest(str(key), ["pipelines"]))
        for key in tree
        if key != "pipelines"
    ]
    pipelines: dict[str, Pipeline] = {}
    for name, raw in listed.items():
        reader = _PipelineReader(source, str(name), environment, development=development)
        pipeline = reader.read(raw)
        problems += reader.problems
        if pipeline is not None:
            pipelines[pipeline.name] = pipeline
    problems += _unclear_endpoints(source, pipelines)
    return Configuration(problems=tuple(problems)) if problems else Configuration(pipelines)


def _unclear_endpoints(source: Source, pipelines: Mapping[str, Pipeline]) -> Iterator[Problem]:
    """Yield endpoints that may be one, and would then be updated at once by two runs."""
    updates = (
        (f"{name}.{endpoint.name}", endpoint.update)
        for name, pipeline in pipelines.items()
        for endpoint in pipeline.endpoints
    )
    for first, second in unclear(updates):
        yield source.problem(
            ("pipelines", second.partition(".")[0], "endpoints"),
            f"{second} may be the same web service as {first}, at another host",
            "write the same host in both, the one on the Update Resource help page",
        )


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


class _PipelineReader:
    """Reads one pipeline; whatever is wrong with it is in `problems`."""

    def __init__(
        self, source: Source, name: str, environment: Mapping[str, str], *, development: bool
    ) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._name = name
        self._environment = environment
        self._development = development

    def read(self, raw: Any) -> Pipeline | None:
        """Return the pipeline when nothing is wrong with it."""
        if not isinstance(raw, dict):
            self._add((), "must be a mapping", "see pipelines.example.yaml")
            return None
        tree = dict(raw)
        self._read_probes(tree)
        for path, name in references(tree):
            if not self._environment.get(name):
                cure = "add it to the app settings (locally: Values in local.settings.json)"
                self._add(path, f"app setting {name} is not set", cure)
        try:
            pipeline = Pipeline.model_validate(
                {"name": self._name, **tree}, context={"development": self._development}
            )
        except ValidationError as exc:
            for error in exc.errors(include_url=False, include_input=False):
                self._add_error(error)
            return None
        return None if self.problems else pipeline

    def _read_probes(self, tree: dict[str, Any]) -> None:
        for path, holder in list(find(tree, ("endpoints", "*", "verify", "rows"))):
            if not isinstance(holder["rows"], str):
                self._add(path, "must name a file", "a JSON file with the request body to score")
                holder["rows"] = _HARMLESS_PROBE
                continue
            file = self._source.file.parent / holder["rows"]
            try:
                holder["rows"] = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as exc:
                reason = exc.strerror if isinstance(exc, OSError) else "not JSON"
                self._add(path, f"{holder['rows']} cannot be read ({reason})", "see its path")
                holder["rows"] = _HARMLESS_PROBE

    def _add(self, path: KeyPath, what: str, cure: str = "") -> None:
        self.problems.append(self._source.problem(("pipelines", self._name, *path), what, cure))

    def _add_error(self, error: ErrorDetails) -> None:
        path = tuple(part for part in error["loc"] if part != "[key]")
        what, cure = error["msg"].removeprefix("Value error, "), ""
        if error["type"] == "extra_forbidden":
            what, cure = "unknown key", _suggest(str(path[-1]), _known_keys(path[:-1]))
        elif error["type"] == "missing":
            what = "is missing"
        elif path == ("name",):
            path, what = (), "not a pipeline name"
            cure = "use up to 40 lower-case letters, digits and dashes"
        elif ": " in what:
            what, _, cure = what.partition(": ")
        self._add(path, what, cure)


#: Stands for a probe file that is already reported as unreadable.
_HARMLESS_PROBE: Final = {"Inputs": {"input1": {"ColumnNames": ["x"], "Values": [["0"]]}}}


def _refused(problem: Problem) -> Configuration:
    return Configuration(problems=(problem,))


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
    close = get_close_matches(key, known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(known)}" if known else "remove it"
