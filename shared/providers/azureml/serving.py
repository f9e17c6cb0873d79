"""The serving port over one managed online endpoint (not written yet)."""

from typing import Any


class AzureMlServing:
    """One managed online endpoint."""

    def __init__(self, **_: Any) -> None:
        raise NotImplementedError
