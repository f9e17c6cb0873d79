"""Pipelines files with changes, for the tests of the loader."""

from collections.abc import Callable
from typing import Any

from shared.config.loader import Configuration
from tests.unit.samples import tree

ENVIRONMENT = {"TRAINING_KEY": "SECRET", "ENDPOINT_KEY": "SECRET"}


Load = Callable[..., Configuration]


Change = Callable[[dict[str, Any]], object]


def written(change: Change) -> dict[str, Any]:
    one = tree()
    del one["name"]
    one["endpoints"][0]["verify"]["rows"] = "probe.json"
    change(one)
    return one


def put(path: str, value: object) -> Change:
    """Return a change that writes `value` at a dotted path."""

    def change(one: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        holder: Any = one
        for part in parents:
            holder = holder[int(part) if part.isdecimal() else part]
        holder[last] = value

    return change


def both(one_change: Change, other: Change) -> Change:
    def change(one: dict[str, Any]) -> None:
        one_change(one)
        other(one)

    return change


def only(configuration: Configuration) -> str:
    assert configuration.pipelines == {}
    (problem,) = configuration.problems
    return str(problem)


def drop(path: str) -> Change:
    def change(one: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        holder: Any = one
        for part in parents:
            holder = holder[int(part) if part.isdecimal() else part]
        del holder[last]

    return change
