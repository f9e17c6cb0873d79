"""Joins what a line of the report repeats for several pipelines."""

import re
from collections.abc import Collection

_BETWEEN = "; "
_FOLDER = "runs/<pipeline>/"


def without_repetition(text: str, names: Collection[str]) -> str:
    """Return the text of a line, with equal parts once, behind the names that they are true of.

    What follows the name of a pipeline belongs to it, up to the name of another one.

    Args:
        text: such as `a: training; b: training`.
        names: of all pipelines.
    """
    if text.count(": ") < 2:  # noqa: PLR2004 - nothing can be said twice
        return text
    listed = sorted(names, key=len, reverse=True)
    of_pipeline = re.compile(rf"({'|'.join(map(re.escape, listed)) or '(?!)'}): ")
    found: dict[str, list[str]] = {}
    for part in _segments(text, of_pipeline):
        begins = of_pipeline.match(part)
        name = begins[1] if begins else ""
        said = part[begins.end() :].replace(f"runs/{name}/", _FOLDER) if begins else part
        found.setdefault(f"{bool(begins):d}{said}", []).append(name)
    grouped: dict[tuple[str, ...], list[str]] = {}
    for said, of in found.items():
        grouped.setdefault(tuple(dict.fromkeys(of)), []).append(said[1:])
    return _BETWEEN.join(_shown(of, said) for of, said in grouped.items())


def _segments(text: str, of_pipeline: re.Pattern[str]) -> list[str]:
    """Return the parts of a text, each with what follows the name that it begins with."""
    found: list[str] = []
    for part in text.split(_BETWEEN):
        if found and not of_pipeline.match(part):
            found[-1] += f"{_BETWEEN}{part}"
        else:
            found.append(part)
    return found


def _shown(names: tuple[str, ...], said: list[str]) -> str:
    """Return what is true of pipelines behind their names; of a single one, with its own folder."""
    if names == ("",):
        return _BETWEEN.join(said)
    if len(names) > 1:
        return f"{', '.join(names)}: {_BETWEEN.join(said)}"
    own = (one.replace(_FOLDER, f"runs/{names[0]}/") for one in said)
    return _BETWEEN.join(f"{names[0]}: {one}" for one in own)
