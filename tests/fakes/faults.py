"""One numbered list of effects, and the faults that are applied to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from shared.errors import OutcomeUnknownError, TransientError

T = TypeVar("T")


#: Long enough for a worker that does not wait to act again, shorter than a lease.
LATE_TICKS = 2


class Kind(StrEnum):
    OK = "ok"
    REFUSED = "refused"  #: it did not happen, and the answer says so
    LOST = "lost"  #: it happened; the answer did not arrive
    LATE = "late"  #: no answer; it happens some ticks later, within a lease
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    PREEMPT = "preempt"  #: another worker acts inside the call
    JUMP = "jump"  #: the process sleeps, or the clock is put right: it is suddenly later
    TORN = "torn"  #: it happened; half of the answer arrived
    DUPLICATED = "duplicated"  #: the network delivered it twice

    def fits(self, site: str) -> bool:
        """Whether it can happen there: the storage's answers are whole, or not at all."""
        over_http = site.partition(" ")[0].isupper()
        return over_http or self not in (Kind.TORN, Kind.DUPLICATED)


#: Everything that can go wrong.
FAULTS: Final[list[Kind]] = [kind for kind in Kind if kind is not Kind.OK]


def kinds_at(sites: Sequence[str], at: int) -> list[Kind]:
    """What can go wrong at effect `at` of a way with these effects; a fault may add more."""
    site = sites[at] if at < len(sites) else ""
    return [kind for kind in FAULTS if kind.fits(site)]


class Crash(BaseException):
    """The process dies here. Not an Exception, so that no handler survives it."""


@dataclass
class Faults:
    """What happens at effect number i; everything beyond the plan goes well."""

    plan: dict[int, Kind] = field(default_factory=dict)
    sites: list[str] = field(default_factory=list)  #: every effect asked for, by name
    late: list[tuple[int, Callable[[], object]]] = field(default_factory=list)
    """What has not arrived yet, and in how many ticks it will."""
    repeated: list[str] = field(default_factory=list)  #: what arrived twice
    other_worker: Callable[[], None] = lambda: None
    jump: Callable[[], object] = lambda: None
    inside: bool = False

    def effect(self, site: str, do: Callable[[], T], tear: Callable[[T], T] | None = None) -> T:
        if self.inside or site.endswith((" poll", " drift_checks")):
            return do()  # the other worker is faster
        kind = self.plan.get(len(self.sites), Kind.OK)
        self.sites.append(site)
        if kind is Kind.OK:
            return do()
        self._before(kind, site, do)
        done = do()
        if kind is Kind.DUPLICATED and tear:
            self.repeated.append(site)
            done = do()
        self._after(kind, site)
        return tear(done) if kind is Kind.TORN and tear else done

    def _before(self, kind: Kind, site: str, do: Callable[[], object]) -> None:
        match kind:
            case Kind.REFUSED:
                raise TransientError(f"{site}: refused")
            case Kind.LATE:
                self.late.append((LATE_TICKS, do))
                raise OutcomeUnknownError(f"{site}: no answer yet")
            case Kind.CRASH_BEFORE:
                raise Crash
            case Kind.PREEMPT:
                self.inside = True
                try:
                    self.other_worker()
                finally:
                    self.inside = False
            case Kind.JUMP:
                self.jump()
            case _:
                pass  # what goes wrong comes afterwards

    def _after(self, kind: Kind, site: str) -> None:
        if kind is Kind.LOST:
            raise OutcomeUnknownError(f"{site}: the answer was lost")
        if kind is Kind.CRASH_AFTER:
            raise Crash
