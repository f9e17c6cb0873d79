"""Writes the files that are generated from models, such as pipelines.schema.json: `make schema`."""

import argparse
import json
from pathlib import Path
from typing import Final

from local import api_description, configuration_page
from local.pipelines_schema import json_schema

FILE: Final = Path(__file__).parents[1] / "pipelines.schema.json"


def text() -> str:
    """Return the schema of the pipelines file as its file should hold it."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m local.schema", description=__doc__).parse_args()
    pages = (api_description, configuration_page)
    for file, content in ((FILE, text()), *((page.FILE, page.text()) for page in pages)):
        file.write_text(content, encoding="utf-8")
        print(f"wrote {file.name}")
