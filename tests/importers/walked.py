"""Lists the elements of definitions that a report has to name.

It uses nothing of the importer: the expected elements are found in the raw files.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SAMPLES: Final = Path(__file__).resolve().parents[1] / "vectors" / "data_factory"
#: These cannot be read at all, so that a report has one line for each.
BROKEN: Final = frozenset({"broken.json", "ends_early.json", "empty.json"})
_NO_COMMA: Final = re.compile(r'(["}\]])(\s*\n\s*")')
_COMMENT: Final = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """An element that has exactly one line of its own."""

    kind: str
    at: str
    name: str = ""


def folders() -> list[Path]:
    """Return the folder of each sample: each is imported by itself."""
    found = [one for one in sorted(SAMPLES.iterdir()) if one.is_dir() and one.name != "bad"]
    return [*found, *sorted((SAMPLES / "bad").iterdir())]


def files_of(folder: Path) -> dict[str, Any]:
    """Return the content of each file that can be read, by its path inside the folder."""
    files = (one for one in sorted(folder.rglob("*")) if one.is_file())
    return {
        one.relative_to(folder).as_posix(): read(one) for one in files if one.name not in BROKEN
    }


def read(file: Path) -> Any:
    """Read JSON; what people add to JSON is read as YAML, once its comments are gone."""
    text = file.read_text(encoding="utf-8-sig")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        text = _COMMENT.sub(lambda found: found[1] or "", text)
        return yaml.safe_load(_NO_COMMA.sub(r"\1,\2", text))


def shown(keys: Keys) -> str:
    """Return a path as a report writes it."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def leaves(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the path of each scalar, empty object and empty list.

    Args:
        value: what is walked.
        keys: where it is.
    """
    for key, below in _members(value):
        yield from leaves(below, (*keys, key))
    if not _members(value):
        yield keys


def definitions(raw: Any, keys: Keys = ()) -> Iterator[tuple[str, Keys, dict[str, Any]]]:
    """Yield kind, place and content of each definition of a file, also inside a template.

    Args:
        raw: the content of the file.
        keys: where it is.
    """
    if isinstance(raw, dict) and "resources" in raw:
        for at, resource in enumerate(raw["resources"]):
            yield from definitions(resource, (*keys, "resources", at))
    elif isinstance(raw, dict) and "body" in raw and isinstance(raw["body"], dict):
        for key, below in raw["body"].items():
            yield from definitions(below, (*keys, "body", key))
    elif isinstance(raw, dict) and (kind := _kind(raw)):
        yield kind, keys, raw


def elements(raw: Any) -> Iterator[Expected]:
    """Yield what has exactly one line: definitions, activities, and the keys of policies.

    Args:
        raw: the content of a file.
    """
    for kind, keys, body in definitions(raw):
        yield Expected(kind, shown(keys), str(value_of(body, "name")).strip())
        yield from _inside(kind, body, keys)
    alone = raw.get("body") if isinstance(raw, dict) else None
    if isinstance(alone, dict) and "typeProperties" in alone:
        yield Expected("activity", "body", alone["name"])


def _inside(kind: str, body: dict[str, Any], keys: Keys) -> Iterator[Expected]:
    name, properties = _entry(body, "properties")
    if kind == "dataset":
        at, policy = _entry(properties, "policy")
        for below in leaves(policy) if policy else ():
            yield Expected("policy", shown((*keys, name, at, *below)), str(below[-1]))
    if kind == "pipeline":
        for number, dataset in enumerate(properties.get("datasets", ())):
            inner = (*keys, name, "datasets", number)
            yield Expected("dataset", shown(inner), dataset["name"])
        for place, activity in activities(properties, (*keys, name)):
            yield Expected("activity", shown(place), str(value_of(activity, "name")).strip())
            at, policy = _entry(activity, "policy")
            for key in policy or ():
                yield Expected("policy", shown((*place, at, key)), key)


def activities(value: Any, keys: Keys) -> Iterator[tuple[Keys, dict[str, Any]]]:
    """Yield each activity with its place, those inside other activities too.

    Args:
        value: what holds them.
        keys: where it is.
    """
    for key, below in _members(value):
        if str(key).lower().endswith("activities"):
            for at, activity in enumerate(below):
                yield (*keys, key, at), activity
        yield from activities(below, (*keys, key))


def value_of(body: Any, name: str) -> Any:
    """Return a value whose key may be in another letter case; None: there is none."""
    return _entry(body, name)[1]


def _entry(body: Any, name: str) -> tuple[str, Any]:
    found = ((key, below) for key, below in _members(body) if str(key).lower() == name.lower())
    return next(((str(key), below) for key, below in found), (name, None))


def _kind(raw: dict[str, Any]) -> str:
    properties = value_of(raw, "properties")
    if value_of(raw, "name") is None or not isinstance(properties, dict):
        return ""
    keys = {key.lower() for key in properties}
    kind = str(value_of(properties, "type"))
    if "activities" in keys:
        return "pipeline"
    if kind.endswith("Trigger"):
        return "trigger"
    if keys & {"availability", "schema"}:
        return "dataset"
    others = ("SelfHosted", "MappingDataFlow")
    before = kind.endswith("LinkedService")  # until 2015
    return "linked service" if ("typeproperties" in keys or before) and kind not in others else ""


def _members(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return [*enumerate(value)] if isinstance(value, list) else []
