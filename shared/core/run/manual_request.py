"""The request of an operator for a manual run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.core import names
from shared.core.config.types import Scalar


@dataclass(frozen=True, slots=True)
class ManualRequest:
    """A request for a manual run, over HTTP."""

    data: str | None = None  #: blob name inside the data container; None: the newest that matches
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    model: str | None = None  #: a model to promote, without any training
    due: datetime | None = None  #: the newest due time at or before it; None: that has come

    def digest(self) -> str:
        """Return the digest that separates this request from another one under the same key."""
        asked: list[object] = [self.data, dict(self.parameters), self.model]
        if self.due is not None:
            asked.append(self.due.astimezone(UTC).isoformat())
        return names.digest(json.dumps(asked, sort_keys=True))
