"""What every stored record is made of: frozen values that refuse what they do not know."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, model_validator

#: What a document says beside the value that it holds: the version of the product that wrote it.
WRITTEN_BY: Final = "app_version"


class RecordPart(BaseModel):
    """A frozen part of a record that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordModel(RecordPart):
    """A value with a document of its own in the ledger.

    The ledger stores beside it which version of the product wrote it (`app_version`). That is
    for whoever reads the document; no decision depends on it, so that the value leaves it out.
    """

    schema_version: Literal[1] = 1

    @model_validator(mode="before")
    @classmethod
    def _without_writer(cls, value: Any) -> Any:
        if isinstance(value, dict) and WRITTEN_BY in value:
            return {name: one for name, one in value.items() if name != WRITTEN_BY}
        return value
