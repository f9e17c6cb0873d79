"""A counter that continues in a copy from its present number."""

from itertools import count


class Numbers:
    """Counts up by one. It can be copied, as `itertools.count` cannot from Python 3.14 on."""

    def __init__(self, first: int = 1) -> None:
        self._numbers, self._last = count(first), first - 1

    def __next__(self) -> int:
        self._last = found = next(self._numbers)
        return found

    def __reduce__(self) -> tuple[type["Numbers"], tuple[int]]:
        return type(self), (self._last + 1,)
