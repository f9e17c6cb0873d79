"""Writes what is made from models: pipelines.schema.json, openapi.json: `make schema`."""

import json
from pathlib import Path
from typing import Final

from local import api_description
from shared.config.loader import json_schema

FILE: Final = Path(__file__).parents[1] / "pipelines.schema.json"


def text() -> str:
    """Return the schema of the pipelines file as its file should hold it."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    for file, content in ((FILE, text()), (api_description.FILE, api_description.text())):
        file.write_text(content, encoding="utf-8")
        print(f"wrote {file.name}")
