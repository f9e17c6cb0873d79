"""Reads the vectors: requests, answers and errors of the services, each with its source."""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "vectors"


def vector(name: str) -> dict[str, Any]:
    """Return a vector; it must have its source and its kind."""
    loaded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    assert loaded["_name"] == name
    assert loaded["_source"]
    assert loaded["_kind"]
    return loaded


def rows(*names: str) -> list[dict[str, Any]]:
    return [row for name in names for row in vector(name)["rows"]]
