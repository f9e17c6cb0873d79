"""Works on many items at once, a few for each service, and skips a failing service.

Each service has a bulkhead, and each host has a group of bulkheads. A service that hangs uses one
or two threads and delays no other service:

* A bulkhead begins with one item, and gets more after a success. After a failure it gets one item
  at a time, after all bulkheads that work, until a success (half-open). After five failures in a
  row it gets no more items in this tick (circuit breaker).
* A host at which several services fail is limited in the same way.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from enum import StrEnum, auto
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

MOST_AT_ONCE: Final = 16
MOST_PER_BULKHEAD: Final = 8
FAILURES: Final = 5
#: More threads, each for the first item at a host that has not answered yet.
PROBES: Final = 32
#: How many items at once a host gets for services that have not answered yet.
_MOST_TRIALS: Final = MOST_PER_BULKHEAD // 2
#: After this number of failing services their host counts as failing.
_FAILING_HOST: Final = 2

T = TypeVar("T")


def service_of(url: str) -> str:
    """Return the service that requests to `url` go to: the URL without its query."""
    return url.partition("?")[0].lower()


def host_of(url: str) -> str:
    """Return the host that requests to `url` go to; a text that is not a URL stands for itself."""
    try:
        return (urlsplit(url).hostname or url).lower()
    except ValueError:
        return url


class Bulkheads(Generic[T]):
    """Work sorted by bulkhead. The cost of an item does not grow with the number of bulkheads.

    Args:
        items: the items, in order.
        bulkhead_of: returns the bulkhead of an item.
        work: does one item; False means that its service failed.
        may_continue: called before each item; False stops the rest.
        most: how many items are worked on at once; with 1 there is a single thread.
        group_of: returns the group of a bulkhead; by default each bulkhead is its own group.
        suspect: whether an item failed the last time: its bulkhead comes after the others, and
            the item after the other items of its bulkhead.
        spend: called before each item of a failing bulkhead; False skips these bulkheads.
    """

    def __init__(
        self,
        items: Iterable[T],
        bulkhead_of: Callable[[T], str],
        work: Callable[[T], bool],
        may_continue: Callable[[], bool],
        most: int = MOST_AT_ONCE,
        *,
        group_of: Callable[[str], str] = str,
        suspect: Callable[[T], bool] = lambda _: False,
        spend: Callable[[], bool] = lambda: True,
    ) -> None:
        self._waiting: defaultdict[str, deque[T]] = defaultdict(deque)
        suspects: set[str] = set()
        for item in sorted(items, key=suspect):
            bulkhead = bulkhead_of(item)
            self._waiting[bulkhead].append(item)
            if suspect(item):
                suspects.add(bulkhead)
        groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._group_of = {bulkhead: groups[group_of(bulkhead)] for bulkhead in self._waiting}
        for bulkhead, group in self._group_of.items():
            group.add(bulkhead, suspect=bulkhead in suspects)
        self._all = list(groups.values())
        self._work = work
        self._continue = may_continue
        self._spend = spend
        self._most = most
        self._working_busy = 0
        self._moved = threading.Condition()
        self.done = 0

    def run(self) -> list[T]:
        """Do the work and return the items not begun: stopped, or in a failing bulkhead."""
        waiting = sum(map(len, self._waiting.values()))
        probes = min(PROBES, len(self._all)) if self._most > 1 else 0
        workers = min(self._most + probes, waiting)
        if workers == 1:
            self._worker()
        elif workers:
            with ThreadPoolExecutor(workers) as pool:
                working = [pool.submit(copy_context().run, self._worker) for _ in range(workers)]
            for worker in working:
                worker.result()  # raises an unexpected error of a worker
        return [item for bulkhead in self._waiting.values() for item in bulkhead]

    def _worker(self) -> None:
        while (taken := self._take()) is not None:
            bulkhead, kind, item = taken
            well = False
            try:
                well = self._work(item)
            finally:
                with self._moved:
                    self._working_busy -= kind is _Kind.WORKING
                    left = bool(self._waiting[bulkhead])
                    self._group_of[bulkhead].done(bulkhead, kind, well=well, left=left)
                    self.done += 1
                    self._moved.notify_all()

    def _take(self) -> tuple[str, "_Kind", T] | None:
        with self._moved:
            while self._continue():
                room, spend = self._working_busy < self._most, self._spend()
                offers = [
                    (group.fails or kind is _Kind.FAILING, group.busy, group.served, at, kind)
                    for at, group in enumerate(self._all)
                    if (kind := group.offer(room=room))
                ]
                offers = [offer for offer in offers if spend or not offer[0]]
                if offers:
                    *_, at, kind = min(offers)  # no two have the same index
                    group = self._all[at]
                    bulkhead = group.take(kind)
                    item = self._waiting[bulkhead].popleft()
                    group.taken(bulkhead, kind, left=bool(self._waiting[bulkhead]))
                    self._working_busy += kind is _Kind.WORKING
                    return bulkhead, kind, item
                if not any(group.busy for group in self._all):
                    return None
                self._moved.wait(timeout=1)
            return None


class _Kind(StrEnum):
    """The state of a bulkhead."""

    NEW = auto()  #: none of its items is done yet
    WORKING = auto()  #: its last item went well
    FAILING = auto()  #: its last item failed, or one of the time before did


class _Group:
    """The bulkheads of one host, in their order; one that is skipped is in no order."""

    def __init__(self) -> None:
        self.busy = 0
        self.served = 0
        self._answers = False  #: an item went well, and since then not several bulkheads failed
        self._failed: set[str] = set()  #: bulkheads that failed since the last success
        self._failures: Counter[str] = Counter()  #: of a bulkhead, in a row
        self._trials = 0
        self._kinds: dict[str, _Kind] = {}
        self._order: dict[_Kind, deque[str]] = {kind: deque() for kind in _Kind}
        self._queued: set[tuple[_Kind, str]] = set()

    def add(self, bulkhead: str, *, suspect: bool) -> None:
        """Add a bulkhead.

        Args:
            bulkhead: its name.
            suspect: whether its items failed the last time.
        """
        self._put(bulkhead, _Kind.FAILING if suspect else _Kind.NEW)

    def offer(self, *, room: bool) -> _Kind | None:
        """Return the kind of the next bulkhead; None while none may get an item.

        Args:
            room: whether more items of working bulkheads may be begun.
        """
        if len(self._failed) >= FAILURES or self.busy >= MOST_PER_BULKHEAD:
            return None
        if not self._answers and self.busy:
            return None
        for kind in self._order:
            may = room if kind is _Kind.WORKING else self._trials < _MOST_TRIALS
            if may and self._has(kind):
                return kind
        return None

    @property
    def fails(self) -> bool:
        """Whether several of its services failed, with no success since then."""
        return len(self._failed) >= _FAILING_HOST

    def take(self, kind: _Kind) -> str:
        """Return the next bulkhead of the kind that was offered."""
        bulkhead = self._order[kind].popleft()
        self._queued.discard((kind, bulkhead))
        return bulkhead

    def taken(self, bulkhead: str, kind: _Kind, *, left: bool) -> None:
        """Note that work on an item has begun.

        Args:
            bulkhead: of the item.
            kind: the state of the bulkhead.
            left: whether it has more items.
        """
        self.busy += 1
        self.served += 1
        if kind is _Kind.WORKING:
            if left:
                self._put(bulkhead, kind)  # it may have more items at once
        else:
            self._trials += 1

    def done(self, bulkhead: str, kind: _Kind, *, well: bool, left: bool) -> None:
        """Note the result of an item.

        Args:
            bulkhead: of the item.
            kind: the state of the bulkhead when the item was begun.
            well: whether the item went well.
            left: whether the bulkhead has more items.
        """
        self.busy -= 1
        self._trials -= kind is not _Kind.WORKING
        if well:
            self._answers = True
            self._failed.clear()
            self._failures[bulkhead] = 0
        else:
            self._failed.add(bulkhead)
            self._failures[bulkhead] += 1
            self._answers = self._answers and not self.fails
        now = _Kind.WORKING if well else _Kind.FAILING
        if left and self._failures[bulkhead] < FAILURES:
            self._put(bulkhead, now)
        else:
            self._kinds.pop(bulkhead, None)

    def _put(self, bulkhead: str, kind: _Kind) -> None:
        self._kinds[bulkhead] = kind
        if (kind, bulkhead) not in self._queued:
            self._queued.add((kind, bulkhead))
            self._order[kind].append(bulkhead)

    def _has(self, kind: _Kind) -> bool:
        order = self._order[kind]
        while order and self._kinds.get(order[0]) is not kind:
            self.take(kind)  # its state has changed, or it was skipped
        return bool(order)
