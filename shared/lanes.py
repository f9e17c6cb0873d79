"""Does many small pieces of work at once, a few for each service, and spares a failing one."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

MOST_AT_ONCE: Final = 16
MOST_PER_LANE: Final = 8
FAILURES: Final = 5

T = TypeVar("T")


class Lanes(Generic[T]):
    """Work sorted into lanes, one for each service.

    Args:
        items: what to do, in order.
        lane_of: which lane an item belongs to.
        work: does one item; False means that its service failed.
        go_on: asked before each item; False stops the rest.
        most: how many items are worked on side by side; with 1 they are done in order.
    """

    def __init__(
        self,
        items: Iterable[T],
        lane_of: Callable[[T], str],
        work: Callable[[T], bool],
        go_on: Callable[[], bool],
        most: int = MOST_AT_ONCE,
    ) -> None:
        self._waiting: dict[str, deque[T]] = {}
        for item in items:
            self._waiting.setdefault(lane_of(item), deque()).append(item)
        self._work = work
        self._go_on = go_on
        self._most = most
        self._busy = Counter[str]()
        self._failing = Counter[str]()
        self._moved = threading.Condition()
        self.done = 0

    def run(self) -> list[T]:
        """Do the work and return what was not begun: stopped, or in a failing lane."""
        most = min(self._most, sum(map(len, self._waiting.values())))
        if most == 1:
            self._worker()
        elif most:
            with ThreadPoolExecutor(most) as pool:
                workers = [pool.submit(self._worker) for _ in range(most)]
            for worker in workers:
                worker.result()  # what a worker did not expect is not lost
        return [item for lane in self._waiting.values() for item in lane]

    def _worker(self) -> None:
        while (taken := self._take()) is not None:
            lane, item = taken
            well = False
            try:
                well = self._work(item)
            finally:
                with self._moved:
                    self._busy[lane] -= 1
                    self._failing[lane] = 0 if well else self._failing[lane] + 1
                    self.done += 1
                    self._moved.notify_all()

    def _take(self) -> tuple[str, T] | None:
        with self._moved:
            while self._go_on():
                open_lanes = [
                    lane
                    for lane, items in self._waiting.items()
                    if items and self._failing[lane] < FAILURES
                ]
                if not open_lanes:
                    return None
                free = [lane for lane in open_lanes if self._busy[lane] < MOST_PER_LANE]
                if free:
                    lane = min(free, key=lambda name: self._busy[name])
                    self._busy[lane] += 1
                    return lane, self._waiting[lane].popleft()
                self._moved.wait(timeout=1)
            return None
