"""A pipelines file in a folder, for tests of its bounds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.config.loader import load_pipelines
from shared.core.config.configuration import Configuration
from tests.unit.config.pipelines_file import ENVIRONMENT, written
from tests.unit.written_yaml import yaml_of

SECRET = "c2VjcmV0c2VjcmV0"


def load(folder: Path, text: str, **settings: str) -> Configuration:
    file = folder / "pipelines.yaml"
    file.write_text(text, encoding="utf-8")
    return load_pipelines(file, {**ENVIRONMENT, **settings}, development=False)


def load_one(
    folder: Path, change: Callable[[dict[str, Any]], object], **settings: str
) -> Configuration:
    return load(folder, yaml_of({"pipelines": {"census": written(change)}}), **settings)


def reported(found: Configuration) -> str:
    return "\n".join(map(str, found.problems))
