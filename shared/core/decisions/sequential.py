"""A sequential test of errors: it may be looked at after each minute, and is valid each time.

Two deployments get requests in the same minutes. While the candidate fails no more often than it
may, a certain share of the errors of each minute is its own, on average: that of its requests.
So the share says nothing of errors that hit both alike, however many they are.

Minutes are put together into blocks, so that a run of errors or an outage of one instance is in
one of them, and counts once. When a block ends is decided by the errors of both sides together: so
it does not depend on whose they are, and favours none.

For each block a factor is made of the difference between the two shares. Its mean is at most 1
while the candidate is as good as it may be, so the product of all factors reaches x with a chance
of 1/x at most, whenever and however often one looks (Ville's inequality). So does an average of
products, for several weights and several first blocks. Sources: decision 23.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic import FiniteFloat

from shared.core.frozen import FrozenModel

#: The chance that a promotion of an equally good model is rolled back by this test, at most.
MOST_FALSE: Final = 0.05
#: A block has at least this number of requests of each side: a run of errors is in one of them.
LEAST: Final = 30
#: It lasts at least this number of minutes: with many requests an outage would otherwise span
#: blocks.
SHORTEST: Final = 3
#: It goes on while errors are unusual, for at most this number of minutes in a row: a longer
#: outage is not put down to chance.
OUTAGE: Final = 10
#: A minute is unusual if requests fail more than this many times as often as in all minutes.
_UNUSUAL: Final = 2
#: Weights, as parts of the largest one: small ones find small differences over many blocks.
_PARTS: Final = (0.25, 0.5, 1.0)
#: The largest weight: no block makes the evidence more than six times as strong.
_LARGEST: Final = 5.0
#: A weight that would make a factor of a block 0 is reduced to leave this part of it.
_USED: Final = 0.95
#: So much is tested from the first block on. The rest begins bit by bit with each later block, so
#: that a candidate that becomes worse is found, however many good blocks there were before.
_AT_ONCE: Final = 0.8
#: No product grows beyond this: it has decided long before.
_ENOUGH: Final = 1e12
#: The quantile of the normal distribution for 90 %.
_NINE_OF_TEN: Final = 1.2816
#: With more errors in a block than this, their share is normally distributed.
_MANY: Final = 30


class RequestCounts(FrozenModel):
    """Requests of the candidate and of the other deployments, in the same minutes.

    A service that measures averages may count parts of requests.
    """

    requests: FiniteFloat = 0.0
    errors: FiniteFloat = 0.0
    other_requests: FiniteFloat = 0.0
    other_errors: FiniteFloat = 0.0

    @property
    def fewest(self) -> float:
        """The requests of the side that had fewer."""
        return min(self.requests, self.other_requests)

    @property
    def all_requests(self) -> float:
        """The requests of both sides."""
        return self.requests + self.other_requests

    @property
    def all_errors(self) -> float:
        """The errors of both sides."""
        return self.errors + self.other_errors

    def plus(self, more: "RequestCounts") -> "RequestCounts":
        """Return the sum with `more`."""
        return RequestCounts(
            requests=self.requests + more.requests,
            errors=self.errors + more.errors,
            other_requests=self.other_requests + more.other_requests,
            other_errors=self.other_errors + more.other_errors,
        )

    def without(self, sent: int, failed: int) -> "RequestCounts":
        """Return the counts without own requests to the candidate.

        Args:
            sent: how many were sent.
            failed: how many of them failed.
        """
        errors = max(self.errors - failed, 0.0)
        return self.evolve(requests=max(self.requests - sent, errors), errors=errors)


@dataclass(frozen=True, slots=True)
class Assumed:
    """Requests in a minute, and which part of them fails, of the candidate and of the others."""

    requests: float
    error_rate: float
    other_requests: float
    other_error_rate: float


def allowed_share(requests: float, other_requests: float, ratio: float) -> float:
    """Return the share of all errors that the candidate may have.

    Args:
        requests: of the candidate.
        other_requests: of the others; one side has some.
        ratio: how many times as often as theirs its requests may fail.
    """
    return ratio * requests / (ratio * requests + other_requests)


def is_unusual(minute: RequestCounts, total: RequestCounts) -> bool:
    """Return whether the failures in a minute are too many for chance.

    Args:
        minute: its counts.
        total: those of all minutes so far, this one among them.
    """
    usual = total.all_errors * minute.all_requests
    return minute.all_errors * total.all_requests > _UNUSUAL * usual


class ErrorTest(FrozenModel):
    """What the blocks so far say: a product for each weight, and how many blocks there were."""

    products: tuple[FiniteFloat, ...] = (_AT_ONCE / len(_PARTS),) * len(_PARTS)
    blocks: int = 0

    @property
    def evidence(self) -> float:
        """How strong the evidence against the candidate is: 20 is one chance in 20."""
        return sum(self.products) + (1 - _AT_ONCE) / (self.blocks + 1)

    def after(self, block: RequestCounts, ratio: float) -> "ErrorTest":
        """Return the test with one more block.

        Args:
            block: its counts; both sides have requests.
            ratio: how many times as often as the others' the candidate's requests may fail.
        """
        if not block.all_errors:
            return self
        allowed = allowed_share(block.requests, block.other_requests, ratio)
        more = block.errors / block.all_errors - allowed
        factors = [1 + weight * more for weight in _weights(allowed)]
        blocks = self.blocks + 1
        begun = (1 - _AT_ONCE) / (blocks * (blocks + 1)) / len(_PARTS)
        made = [
            (product + begun) * factor
            for product, factor in zip(self.products, factors, strict=True)
        ]
        return ErrorTest(products=tuple(min(one, _ENOUGH) for one in made), blocks=blocks)


def minutes_needed(assumed: Assumed, ratio: float, evidence: float) -> int | None:
    """Return after how many minutes nine of ten such candidates are found to be worse.

    Args:
        assumed: the requests, and how many of them fail.
        ratio: how many times as often as the others' the candidate's requests may fail.
        evidence: how strong it has to be.

    Returns:
        The minutes, about; None: such a candidate is not worse than allowed, or has no requests.
    """
    fewest = min(assumed.requests, assumed.other_requests)
    if fewest <= 0:
        return None
    length = _minutes_of_block(assumed, fewest)
    wanted = math.log(evidence * len(_PARTS) / _AT_ONCE)
    allowed = allowed_share(assumed.requests, assumed.other_requests, ratio)
    blocks = [
        _blocks(wanted, *_growth(assumed, length, allowed, weight)) for weight in _weights(allowed)
    ]
    found = min(blocks)
    return math.ceil(found * length) if math.isfinite(found) else None


def _minutes_of_block(assumed: Assumed, fewest: float) -> float:
    """Return how long a block lasts on average, where each request fails by itself."""
    shortest = max(float(SHORTEST), LEAST / fewest + 0.5)  # it ends with a whole minute
    mine = assumed.requests * assumed.error_rate
    errors = mine + assumed.other_requests * assumed.other_error_rate
    if errors > _MANY:
        return shortest
    usual = sum(_poisson(number, errors) for number in range(int(_UNUSUAL * errors) + 1))
    return shortest + (1 - usual) / usual


def _poisson(number: int, mean: float) -> float:
    return math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)) if mean else 1.0


def _weights(allowed: float) -> Iterator[float]:
    largest = min(_LARGEST, _USED / allowed)
    return (part * largest for part in _PARTS)


def _blocks(wanted: float, mean: float, variance: float) -> float:
    """Return after how many blocks a sum of such logarithms is over `wanted` in nine of ten."""
    if mean <= 0:
        return math.inf
    spread = _NINE_OF_TEN * math.sqrt(variance)
    root = (spread + math.sqrt(spread * spread + 4 * mean * wanted)) / (2 * mean)
    return max(root * root, 1.0)


def _growth(assumed: Assumed, length: float, allowed: float, weight: float) -> tuple[float, float]:
    """Return the mean and the variance of the logarithm of a block's factor."""
    mine = assumed.requests * assumed.error_rate * length
    others = assumed.other_requests * assumed.other_error_rate * length
    errors = mine + others
    if not errors:
        return 0.0, 0.0
    share = mine / errors
    if errors > _MANY:
        factor = 1 + weight * (share - allowed)
        variance = share * (1 - share) / errors * (weight / factor) ** 2
        return math.log(factor) - variance / 2, variance
    mean = square = 0.0
    for chance, found in _shares(errors, share):
        log = math.log(1 + weight * (found - allowed))
        mean += chance * log
        square += chance * log * log
    return mean, square - mean * mean


@lru_cache(maxsize=8)
def _shares(errors: float, share: float) -> tuple[tuple[float, float], ...]:
    """Return the chance of each share of the errors that a block may have; none has no factor.

    Each weight asks for the same ones, one after the other.
    """
    return tuple(_each_share(errors, share))


def _each_share(errors: float, share: float) -> Iterator[tuple[float, float]]:
    most = math.ceil(errors + 6 * math.sqrt(errors) + 6)
    for number in range(1, most + 1):
        of_number = _poisson(number, errors)
        for mine in range(number + 1):
            of_mine = math.comb(number, mine) * share**mine * (1 - share) ** (number - mine)
            yield of_number * of_mine, mine / number
