"""Checks whether the containers that the app reads and writes exist."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.errors import RelearnError
from shared.execution.context import Context
from shared.telemetry import log

#: How often a process checks; each check costs a call for each container.
_EVERY: Final = timedelta(minutes=10)


def missing_containers(context: Context) -> list[str]:
    """Return a sentence for each container that does not exist. Raises as `Blobs.exists`."""
    named = (
        ("TRAINING_DATA_CONTAINER", context.data, context.data_container),
        ("MODELS_CONTAINER", context.models, context.models_container),
    )
    return [
        f"{setting}: container {container!r} does not exist: create it"
        for setting, account, container in named
        if not account.exists(container)
    ]


@dataclass
class Containers:
    """Checks now and then, for the record that the anonymous health check reads."""

    context: Context
    _checked: datetime | None = field(default=None, init=False)
    _missing: int = field(default=0, init=False)

    def missing(self) -> int:
        """Return how many containers were missing at the last check; at once while one is."""
        now = self.context.clock.now()
        if self._checked is None or self._missing or now - self._checked >= _EVERY:
            try:
                self._missing = len(missing_containers(self.context))
            except RelearnError as exc:
                log.warning("the containers cannot be checked now: %s", exc)
                return self._missing
            self._checked = now
        return self._missing
