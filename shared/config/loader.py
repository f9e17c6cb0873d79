"""Reads pipelines.yaml, and reports every mistake at once: its line, its path and its advice.

A mistake in one pipeline makes that pipeline unusable, and no other.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Final

import yaml

from shared.config.file_locations import LocalFiles
from shared.config.files import NamedFiles, bounded_text
from shared.config.pipeline_reader import (
    EXAMPLE,
    MOST_REPORTED,
    UNREADABLE,
    PipelineReader,
    suggest,
)
from shared.config.source import ConfigSource, line_in, repeated, shown_key
from shared.config.yaml_reader import Loader, where_it_breaks
from shared.core.config.configuration import MOST_BYTES, Configuration
from shared.core.config.cross_field import known_pairs
from shared.core.config.pipeline import Pipeline
from shared.core.config.problems import Problem
from shared.core.counting import counted
from shared.core.redaction import Redactor, secrets_among
from shared.errors import FileRefusedError
from shared.ports.files import Files

__all__ = ["Configuration", "load_pipelines"]

_MOST_PIPELINES: Final = 500


def load_pipelines(
    file: PurePath,
    environment: Mapping[str, str],
    *,
    development: bool,
    files: Files | None = None,
) -> Configuration:
    """Return the valid pipelines of `file`, and every problem of the others.

    Args:
        file: the YAML file; the files that it names are relative to it.
        environment: the app settings that `${NAME}` refers to.
        development: whether plain http on loopback is allowed.
        files: where they are; None: on this host.
    """
    files = files or LocalFiles()
    shown = files.shown(file)
    try:
        return _Reader(files, file, environment, development=development).read()
    except FileRefusedError as exc:
        advice = exc.advice or "set PIPELINES_FILE, or copy pipelines.azureml.yaml"
        return Configuration.unreadable(Problem(shown, exc.what, advice))
    except UNREADABLE as exc:
        problem = Problem(shown, "is not plain YAML", where_it_breaks(exc))
        return Configuration.unreadable(problem)
    except Exception as exc:  # noqa: BLE001 -- no content of the file may stop the app
        what = f"cannot be understood ({type(exc).__name__})"
        return Configuration.unreadable(Problem(shown, what, EXAMPLE))


class _Reader:
    """Reads the file as a whole, each pipeline by itself."""

    def __init__(
        self, files: Files, file: PurePath, environment: Mapping[str, str], *, development: bool
    ) -> None:
        self._name = files.shown(file)
        self._environment = environment
        self._redactor = Redactor(*secrets_among(environment))
        self._development = development
        self._loader = Loader(bounded_text(files, file, MOST_BYTES))
        self._files = NamedFiles(files, file.parent)

    def read(self) -> Configuration:
        """Return the content of the file.

        Raises:
            ValueError, yaml.YAMLError: it cannot be known which pipelines the file has.
        """
        root = self._loader.root()
        listed = _value_of(root, "pipelines")
        if root is None or listed is None or not listed.value:
            problem = Problem(self._name, "has no `pipelines:`", EXAMPLE)
            return Configuration.unreadable(problem)
        source = ConfigSource(self._name, root)
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
        hints += _shared_endpoints(source, pipelines)
        in_order = {name: tuple(sorted(found, key=line_in)) for name, found in broken.items()}
        return Configuration(
            pipelines,
            tuple(sorted(problems, key=line_in)),
            in_order,
            tuple(hints),
            schedules={
                name: source.problem(("pipelines", name, "schedule"), "").where
                for name, pipeline in pipelines.items()
                if pipeline.schedule is not None
            },
        )

    def _reader(self, source: ConfigSource, name: str, twice: yaml.Node | None) -> "PipelineReader":
        reader = PipelineReader(
            source,
            name,
            self._environment,
            self._redactor,
            self._files,
            development=self._development,
        )
        if twice is not None:
            reader.problems.append(source.repetition(twice, ("pipelines", name), "pipeline"))
        return reader


def _value_of(root: yaml.Node | None, key: str) -> yaml.MappingNode | None:
    """Return the mapping under a key at the top; None if there is none.

    Raises:
        ValueError: the key is there twice.
    """
    if not isinstance(root, yaml.MappingNode):
        return None
    found = [value for name, value in root.value if name.value == key]
    if len(found) > 1:
        raise ValueError(f"`{key}:` is at the top twice: join the two")
    return found[0] if found and isinstance(found[0], yaml.MappingNode) else None


def _unknown_keys(source: ConfigSource, root: yaml.Node) -> Iterator[Problem]:
    keys = [str(key.value) for key, _ in root.value if key.value != "pipelines"]
    for key in dict.fromkeys(keys[:MOST_REPORTED]):
        yield source.problem((key,), "unknown key", suggest(key, ["pipelines"]))


def _the_first(problems: list[Problem], name: str, unreported: int) -> tuple[Problem, ...]:
    """Return the first problems of a pipeline, and how many there are beyond those.

    Args:
        problems: of the pipeline.
        name: of the pipeline.
        unreported: how many problems are not in the list.
    """
    left = len(problems) + unreported - MOST_REPORTED
    more = (Problem(f"pipelines.{shown_key(name)}", counted(left, "more problem")),)
    return tuple(problems) if left <= 0 else (*problems[:MOST_REPORTED], *more)


def _shared_endpoints(source: ConfigSource, pipelines: Mapping[str, Pipeline]) -> Iterator[Problem]:
    """Yield a hint for each endpoint that an earlier pipeline updates too.

    Args:
        source: the file.
        pipelines: the valid ones.
    """
    first: dict[object, str] = {}
    for name, pipeline in pipelines.items():
        for at, endpoint in enumerate(pipeline.endpoints):
            here = f"{name}.{endpoint.name}"
            other = first.setdefault(endpoint.identity, here)
            if other != here:
                what = f"is the endpoint of {other} too"
                advice = "each promotion replaces the model of the other, one after the other"
                yield source.problem(("pipelines", name, "endpoints", at), what, advice)


def _unclear_endpoints(
    source: ConfigSource, pipelines: Mapping[str, Pipeline], partly: Mapping[str, Pipeline]
) -> Iterator[tuple[str, Problem]]:
    """Yield pipelines with an endpoint that may be the same as one of another pipeline.

    Two runs could update such an endpoint at the same time.

    Args:
        source: the file.
        pipelines: the valid ones.
        partly: the others, with `UNKNOWN` for wrong values; no valid one is refused because of
            them.
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, pipeline in (*pipelines.items(), *partly.items()):
        for endpoint, place in known_pairs(pipeline.endpoints, "name", "path_and_host"):
            if place is None:
                continue
            path, host = place
            at, first = seen.setdefault(path, (host, f"{name}.{endpoint}"))
            if at != host:
                problem = source.problem(
                    ("pipelines", name, "endpoints"),
                    f"{name}.{endpoint} may be the same web service as {first}, at another host",
                    "write the same host in both, the one on the Update Resource help page",
                )
                yield name, problem
