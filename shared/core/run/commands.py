"""The commands that a run may be due for, and the events that may happen to it."""

from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum
from typing import Final

from shared.core.run.record import Run


class Command(StrEnum):
    """What is due."""

    ADMIT = "admit"
    CREATE_JOB = "create job"
    START_JOB = "start job"
    CHECK_JOB = "check job"
    STOP_JOB = "stop job"
    COLLECT_MODEL = "collect model"
    STAGE_CANDIDATE = "stage candidate"
    CHECK_CANDIDATE = "check candidate"
    JUDGE = "judge"
    SEE_NEXT = "see next"  #: whether an unsure model is still to wait
    EXPIRE = "expire"  #: nobody approved or rejected in time
    ROLL_OUT = "roll out"
    LEASE_ENDPOINT = "lease endpoint"
    UPDATE_ENDPOINT = "update endpoint"
    CHECK_ENDPOINT = "check endpoint"
    ROLL_BACK_ENDPOINT = "roll back endpoint"
    CANCEL = "cancel"  #: cancelled before anything ran
    NOTHING = "nothing"

    @property
    def acts(self) -> bool:
        """Whether it has an effect outside the ledger, so that it needs a claim (design rule 4)."""
        return self in _ACTS


_ACTS: Final = frozenset(
    {
        Command.CREATE_JOB,
        Command.START_JOB,
        Command.STOP_JOB,
        Command.STAGE_CANDIDATE,
        Command.UPDATE_ENDPOINT,
        Command.ROLL_BACK_ENDPOINT,
    }
)


class Event(ABC):
    """Something that happened to a run, with its effect on the record of the run.

    An event knows only its own effect. `shared.core.run.machine` decides whether it fits the
    present phase, and is the only caller of `fold`.
    """

    __slots__ = ()

    @abstractmethod
    def fold(self, run: Run, at: datetime) -> Run:
        """Return the run after the event. It has no other effect.

        Args:
            run: the run before the event.
            at: when the event was recorded.
        """
