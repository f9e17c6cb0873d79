"""The result of one step of a run: its event, and the data that it found."""

from dataclasses import dataclass

from shared.core.blobs import BlobVersion
from shared.core.run.control_events import Event


@dataclass(frozen=True, slots=True)
class StepResult:
    """The event of a step; the data that it found is kept before the event is recorded."""

    event: Event | None  #: None: the run does not change
    replacements: tuple[BlobVersion, ...] = ()  #: versions that replaced data of the run
    given_back: tuple[BlobVersion, ...] = ()  #: data that the run will not train on
    opened: int = 0  #: runs that the step opened
