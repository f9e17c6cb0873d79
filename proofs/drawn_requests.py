"""Draws requests to two deployments and their errors for each minute, in several ways."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.core.decisions.sequential import RequestCounts

Whole = NDArray[np.int64]
#: Part of the minutes of which an outage begins, how long it lasts, and what fails in it.
_OUTAGES: Final = (0.01, 3, 0.4)
#: How slowly the rate of errors of both deployments moves, and how far.
_SLOWLY, _FAR = 0.9, 0.6


@dataclass(frozen=True, slots=True)
class Side:
    """Requests that one deployment has."""

    requests: Whole  #: by minute
    error_rate: float


#: Draws the errors of both sides, the candidate first.
Errors = Callable[[Side, Side, np.random.Generator], tuple[Whole, Whole]]


@dataclass(frozen=True, slots=True)
class Requests:
    """Drawn requests to an endpoint; some of those to one deployment fail."""

    name: str
    per_minute: float  #: to both deployments
    share: int  #: the percentage that the candidate gets
    error_rate: float = 0.01  #: of the candidate
    other_error_rate: float = 0.01
    errors: Errors | None = None  #: None: each request fails by itself

    def __str__(self) -> str:
        """Return it for a report."""
        return f"{self.name}, {self.share} % of {self.per_minute:g} a minute"

    def drawn(self, minutes: int, chance: np.random.Generator) -> tuple[RequestCounts, ...]:
        """Return the counts of a number of minutes.

        Args:
            minutes: how many.
            chance: what is drawn with.
        """
        part = self.share / 100
        mine, others = (
            Side(chance.poisson(self.per_minute * one, minutes), rate)
            for one, rate in ((part, self.error_rate), (1 - part, self.other_error_rate))
        )
        failed = (self.errors or alone)(mine, others, chance)
        columns = (mine.requests, failed[0], others.requests, failed[1])
        return tuple(
            RequestCounts(requests=one, errors=bad, other_requests=other, other_errors=other_bad)
            for one, bad, other, other_bad in zip(
                *(column.tolist() for column in columns), strict=True
            )
        )


def alone(mine: Side, others: Side, chance: np.random.Generator) -> tuple[Whole, Whole]:
    """Return errors of which each comes by itself."""
    return _binomial(mine, chance), _binomial(others, chance)


def outages(mine: Side, others: Side, chance: np.random.Generator) -> tuple[Whole, Whole]:
    """Return errors of which most come in outages that hit both deployments."""
    often, minutes, rate = _OUTAGES
    begun = np.convolve(chance.random(len(mine.requests)) < often, np.ones(minutes))
    rates = np.where(begun[: len(mine.requests)] > 0, rate, 0.0)
    return _binomial(mine, chance, rates), _binomial(others, chance, rates)


def waves(mine: Side, others: Side, chance: np.random.Generator) -> tuple[Whole, Whole]:
    """Return errors of which both deployments have now more and now fewer, for many minutes."""
    moved, level = [], 0.0
    for step in chance.normal(0, _FAR, len(mine.requests)):
        level = _SLOWLY * level + step
        moved.append(level)
    factors = np.exp(np.array(moved))
    mine_more, others_more = (side.error_rate * (factors - 1) for side in (mine, others))
    return _binomial(mine, chance, mine_more), _binomial(others, chance, others_more)


def runs_of(length: int) -> Errors:
    """Return errors of one deployment that come in runs of `length` requests on average."""

    def drawn(mine: Side, others: Side, chance: np.random.Generator) -> tuple[Whole, Whole]:
        return _runs(mine, length, chance), _runs(others, length, chance)

    return drawn


def outages_of(minutes: int, often: float, instances: tuple[int, int]) -> Errors:
    """Return errors that come in outages of single instances, which fail all their requests.

    Args:
        minutes: how long an outage lasts.
        often: in which part of the minutes one of an instance begins.
        instances: of the candidate, and of the others; those of one side have equal shares.
    """

    def drawn(mine: Side, others: Side, chance: np.random.Generator) -> tuple[Whole, Whole]:
        first, second = (
            _binomial(side, chance, _out(len(side.requests), number, chance))
            for side, number in zip((mine, others), instances, strict=True)
        )
        return first, second

    def _out(length: int, number: int, chance: np.random.Generator) -> NDArray[np.float64]:
        begun = chance.random((number, length + minutes - 1)) < often
        out = [np.convolve(one, np.ones(minutes), "valid") > 0 for one in begun]
        return np.asarray(np.mean(out, axis=0), dtype=np.float64)

    return drawn


def _binomial(
    side: Side, chance: np.random.Generator, more: NDArray[np.float64] | float = 0.0
) -> Whole:
    """Return errors at the rate of a side, and at more in some minutes."""
    return chance.binomial(side.requests, np.clip(side.error_rate + more, 0, 1)).astype(np.int64)


def _runs(side: Side, length: int, chance: np.random.Generator) -> Whole:
    total = int(side.requests.sum())
    failed = np.zeros(total, dtype=bool)
    begins = np.flatnonzero(chance.random(total) < side.error_rate / length)
    for begin, run in zip(begins, chance.geometric(1 / length, len(begins)), strict=True):
        failed[begin : begin + run] = True
    ends = np.cumsum(side.requests)
    before = np.concatenate(([0], np.cumsum(failed)))
    return np.diff(before[np.concatenate(([0], ends))]).astype(np.int64)
