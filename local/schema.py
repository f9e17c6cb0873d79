"""Writes pipelines.schema.json, which editors check pipelines.yaml by: `make schema`."""

import json
from pathlib import Path
from typing import Final

from shared.config import json_schema

FILE: Final = Path(__file__).parents[1] / "pipelines.schema.json"


def text() -> str:
    """Return the schema as the file should hold it."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(f"wrote {FILE.name}")
