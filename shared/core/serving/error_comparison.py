"""Compares a candidate's errors with those of the other deployments in the same minutes.

It is folded minute by minute, so that a record holds only sums, however long a step lasts. Minutes
in which one of both sides has no request say nothing, and are left out.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, FiniteFloat

from shared.core.counting import counted
from shared.core.decisions.sequential import (
    LEAST,
    MOST_FALSE,
    OUTAGE,
    SHORTEST,
    Assumed,
    ErrorTest,
    RequestCounts,
    allowed_share,
    is_unusual,
    minutes_needed,
)
from shared.core.frozen import FrozenModel, left_out

_MINUTE: Final = timedelta(minutes=1)
#: Own requests are known by minute for so long; older minutes that were not read are left out.
_KEPT: Final = 240
#: With so much evidence a step waits for more of it.
_LEANS: Final = 2.0
#: How many errors are taken as an example where no other rate is known, and how many more.
_USUAL: Final = 0.01
_TIMES: Final = 5


class OwnRequests(FrozenModel):
    """Requests of this app itself to the candidate in one minute that is not compared yet."""

    at: AwareDatetime
    sent: int = 0
    failed: int = 0


class ErrorComparison(FrozenModel):
    """What the errors of a step say of the candidate, up to a minute."""

    increase: FiniteFloat  #: by how many percent more often its requests may fail than the others'
    steps: int = 1  #: how many steps of its promotion are compared: each may err a part as often
    until: AwareDatetime | None = None  #: the minutes before this are in it
    minutes: int = 0  #: minutes in which both sides had requests
    total: RequestCounts = RequestCounts.constant()  #: the requests of these minutes
    block: RequestCounts = (
        RequestCounts.constant()
    )  #: those of the last ones, which do not count yet
    block_minutes: int = left_out(0)  #: how many these are
    unusual: int = left_out(0)  #: the last minutes on end in which errors were unusual
    test: ErrorTest = ErrorTest.constant()
    own: tuple[OwnRequests, ...] = ()

    @property
    def is_worse(self) -> bool:
        """Whether the candidate fails more often than it may, as sure as the test asks for."""
        return self.test.evidence >= _wanted(self.steps)

    @property
    def leans(self) -> bool:
        """Whether the candidate looks worse, and it is not sure yet.

        What happens just now is not counted yet, and no step passes in the midst of it.
        """
        return self.test.evidence >= _LEANS or self._fails_now

    @property
    def _fails_now(self) -> bool:
        """Whether errors are unusual just now, and the candidate has more of them than it may."""
        if not self.unusual:
            return False
        known = self.block if self.block.all_errors else self.total
        allowed = allowed_share(known.requests, known.other_requests, _ratio(self.increase))
        return known.errors > allowed * known.all_errors

    @property
    def worse(self) -> str:
        """That the candidate is worse, for operators; empty where that is not sure."""
        if not self.is_worse:
            return ""
        limit = f"more than {self.increase:g} % more often" if self.increase else "more often"
        return f"{self.said}: it fails {limit}"

    @property
    def passed(self) -> str:
        """That nothing shows that the candidate is worse, for operators."""
        return self._with_time(f"{self.said}: not shown to be worse")

    def open_yet(self, least: int) -> str:
        """Return why the step has to wait for more requests; empty where it has not.

        Args:
            least: the requests that each side needs in the same minutes.
        """
        fewest = self.total.fewest
        if fewest < least:
            same = f"{counted(int(fewest), 'request')} in the same minutes as the other deployments"
            return self._with_time(f"{same}, of the {least} to compare errors with")
        if not self.leans:
            return ""
        return self._with_time(f"{self.said}: it may be worse; there is not enough evidence yet")

    def _with_time(self, said: str) -> str:
        return f"{said}; {self.time_needed}" if self.time_needed else said

    @property
    def said(self) -> str:
        """What was compared, for operators."""
        known = self.total
        mine = f"{known.errors:.0f} of {counted(round(known.requests), 'request')}"
        others = f"{known.other_errors:.0f} of {known.other_requests:.0f}"
        said = f"{mine} failed, at the other deployments {others}"
        return f"{said} in the same {counted(self.minutes, 'minute')}"

    @property
    def time_needed(self) -> str:
        """After which time more errors would show, at the present pace; empty where unknown."""
        known = self.total
        if not known.fewest:
            return ""
        usual = known.other_errors / known.other_requests or _USUAL
        more = min(_TIMES * usual, (1 + usual) / 2)
        assumed = Assumed(
            requests=known.requests / self.minutes,
            error_rate=more,
            other_requests=known.other_requests / self.minutes,
            other_error_rate=usual,
        )
        needed = minutes_needed(assumed, _ratio(self.increase), _wanted(self.steps))
        if needed is None:
            return ""
        pair = f"{100 * more:.2g} % of errors instead of {100 * usual:.2g} %"
        return f"{pair} would show after about {counted(needed, 'minute')} of such requests"

    def with_own(self, sent: Iterable[datetime], failed: Iterable[datetime]) -> "ErrorComparison":
        """Return the comparison that knows of more requests of this app itself.

        Args:
            sent: when they were sent, in minutes that are measured completely.
            failed: those of them that were not answered well.
        """
        minutes = {one.at: one for one in self.own}
        for number, times in enumerate((sent, failed)):
            for at in times:
                minute = at.replace(second=0, microsecond=0)
                if self.until is not None and minute < self.until:
                    continue
                known = minutes.get(minute, OwnRequests(at=minute))
                name = ("sent", "failed")[number]
                minutes[minute] = known.evolve(**{name: getattr(known, name) + 1})
        kept = tuple(minutes[at] for at in sorted(minutes))
        until = kept[-_KEPT - 1].at + _MINUTE if len(kept) > _KEPT else self.until
        return self.evolve(own=kept[-_KEPT:], until=until)

    def after(
        self, minutes: Mapping[datetime, RequestCounts], until: datetime
    ) -> "ErrorComparison":
        """Return the comparison with the minutes that are new to it.

        Args:
            minutes: what was measured, by the begin of the minute; own requests are in it.
            until: up to when everything is measured.
        """
        own = {one.at: one for one in self.own}
        known = self
        for at in sorted(minutes):
            if at >= until or (self.until is not None and at < self.until):
                continue
            sent = own.get(at, OwnRequests(at=at))
            minute = minutes[at].without(sent.sent, sent.failed)
            if minute.fewest:
                known = known._with(minute)
        return known.evolve(
            until=max(until, self.until or until),
            own=tuple(one for one in self.own if one.at >= until),
        )

    def _with(self, minute: RequestCounts) -> "ErrorComparison":
        total, block, length = self.total.plus(minute), self.block.plus(minute), self.block_minutes
        known = self.evolve(
            minutes=self.minutes + 1,
            total=total,
            block=block,
            block_minutes=length + 1,
            unusual=self.unusual + 1 if is_unusual(minute, total) else 0,
        )
        if block.fewest < LEAST or length + 1 < SHORTEST or 0 < known.unusual <= OUTAGE:
            return known
        test = self.test.after(block, _ratio(self.increase))
        return known.evolve(test=test, block=RequestCounts(), block_minutes=0)


def time_needed(requests: int, share: int, increase: float, steps: int) -> int | None:
    """Return after how many minutes 5 % of errors instead of 1 % are found in nine of ten cases.

    Args:
        requests: to the endpoint, in a minute.
        share: the percentage of them that the candidate gets.
        increase: by how many percent more often its requests may fail than the others'.
        steps: how many steps of its promotion are compared.
    """
    mine = requests * share / 100
    assumed = Assumed(mine, _TIMES * _USUAL, requests - mine, _USUAL)
    return minutes_needed(assumed, _ratio(increase), _wanted(steps))


def _ratio(increase: float) -> float:
    return 1 + increase / 100


def _wanted(steps: int) -> float:
    """Return the evidence that decides; all steps together err as often as `MOST_FALSE` says."""
    return max(steps, 1) / MOST_FALSE
