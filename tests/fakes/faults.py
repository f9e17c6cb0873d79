"""One numbered list of effects, and what goes wrong at each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from shared.errors import OutcomeUnknown, TransientError

T = TypeVar("T")


#: Long enough for a worker that does not wait to act again, shorter than a lease.
LATE_TICKS = 2


class Kind(StrEnum):
    OK = "ok"
    REFUSED = "refused"  #: it did not happen, and we are told so
    LOST = "lost"  #: it happened; the answer did not arrive
    LATE = "late"  #: no answer; it happens some ticks later, within a lease
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    PREEMPT = "preempt"  #: another worker acts inside the call


class Crash(BaseException):
    """The process dies here. Not an Exception, so that no handler survives it."""


@dataclass
class Faults:
    """What happens at effect number i; everything beyond the plan goes well."""

    plan: dict[int, Kind] = field(default_factory=dict)
    sites: list[str] = field(default_factory=list)  #: every effect asked for, by name
    late: list[tuple[int, Callable[[], object]]] = field(default_factory=list)
    """What has not landed yet, and in how many ticks it will."""
    other_worker: Callable[[], None] = lambda: None
    inside: bool = False

    def effect(self, site: str, do: Callable[[], T]) -> T:
        if self.inside or site.endswith((" poll", " watches")):
            return do()  # the second worker does well; a heartbeat or a watch promises nothing
        kind = self.plan.get(len(self.sites), Kind.OK)
        self.sites.append(site)
        match kind:
            case Kind.REFUSED:
                raise TransientError(f"{site}: refused")
            case Kind.LOST:
                do()
                raise OutcomeUnknown(f"{site}: the answer was lost")
            case Kind.LATE:
                self.late.append((LATE_TICKS, do))
                raise OutcomeUnknown(f"{site}: no answer yet")
            case Kind.CRASH_BEFORE:
                raise Crash
            case Kind.CRASH_AFTER:
                do()
                raise Crash
            case Kind.PREEMPT:
                self.inside = True
                try:
                    self.other_worker()
                finally:
                    self.inside = False
            case Kind.OK:
                pass
        return do()
