"""The version of the product: records, health and the API document say it."""

from typing import Final

#: A deployed app has no package metadata, so it is kept here; `pyproject.toml` repeats it.
VERSION: Final = "0.2.0.dev0"
