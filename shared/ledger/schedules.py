"""The records of when pipelines were first seen, and which of their due times are done.

* `pipelines/<name>`   when the pipeline was first seen
* `schedules/<name>`   the newest due time that is done, and those that wait for data
"""

from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, Field

from shared.core.config.due_times import Done, PendingDueTime
from shared.core.frozen import FrozenModel, RecordModel, left_out
from shared.ledger.store import Records, Store


class Activation(RecordModel):
    """When a pipeline was first known; older blobs are not new to it."""

    activated_at: AwareDatetime
    backfilled_at: AwareDatetime | None = None  #: when older blobs were taken, where they are
    backfilled_to: str = ""  #: up to this name they were, where that takes several calls


class TrainedData(FrozenModel):
    """The data that the last due time of a key trained on."""

    bytes_id: str  #: identifies its bytes
    due: AwareDatetime


class ScheduleRecord(RecordModel):
    """The newest due time of a schedule that was dealt with, and those that wait for data."""

    last_due: AwareDatetime
    last_end: AwareDatetime | None = left_out()
    """The end of its window, where the due time is the start of it."""
    backfilled_from: AwareDatetime | None = left_out()
    """The start of the active period up to which windows of before were begun."""
    waiting: tuple[PendingDueTime, ...] = ()
    trained: dict[str, TrainedData] = Field(default_factory=dict)  #: by the digest of the key
    newest_form: ClassVar[int] = 2

    @property
    def form(self) -> int:
        """The second form says of windows what the first one could not."""
        windows = any(due.start is not None for due in self.waiting)
        return 2 if windows or self.last_end or self.backfilled_from else 1

    @property
    def done(self) -> Done:
        """Up to which due time the schedule is done."""
        return Done(self.last_due, self.last_end)


class ActivationRecords(Records[Activation]):
    """When each pipeline was first seen."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "pipelines/", Activation)

    def activate(self, pipeline: str, candidate: datetime) -> datetime:
        """Return when a pipeline was first seen.

        The earlier time of two workers that begin at once is kept. Safe to repeat.

        Args:
            pipeline: its name.
            candidate: the time to keep if the pipeline is new, by the storage's clock.

        Raises:
            ConflictError: the record keeps changing.
        """

        def earliest(known: Activation | None) -> Activation:
            known = known or Activation(activated_at=candidate)
            return known.evolve(activated_at=min(known.activated_at, candidate))

        stored = self.update(pipeline, earliest)
        return stored.activated_at if stored else candidate


class ScheduleRecords(Records[ScheduleRecord]):
    """Which due times of each pipeline are done, and which wait."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "schedules/", ScheduleRecord)
