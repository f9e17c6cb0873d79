"""Does many small pieces of work at once, a few for each service, and spares a failing one.

Work is sorted into lanes, one for each service, and lanes into groups, one for each host. What
hangs costs a thread or two, and not the others their turn:

* a lane begins with one item, and gets more once that went well; after a failure it gets one at
  a time, behind all lanes that work, until one goes well (half-open); after five failures in a
  row it is left for this time;
* a host at which several services fail is treated as a lane is, whatever lanes it has.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

MOST_AT_ONCE: Final = 16
MOST_PER_BULKHEAD: Final = 8
FAILURES: Final = 5
#: Threads besides, each for the first item at a host that has not answered yet.
PROBES: Final = 32
#: Of what a host is given at once, as much is for services that have not answered yet.
_UNPROVEN: Final = MOST_PER_BULKHEAD // 2
#: So many services failing make it likely that their host does.
_FAILING_HOST: Final = 2

T = TypeVar("T")


def service_of(url: str) -> str:
    """Return the service that requests to `url` go to: the URL without its query."""
    return url.partition("?")[0].lower()


def host_of(url: str) -> str:
    """Return the host that requests to `url` go to; a text that is no URL stands for itself."""
    try:
        return (urlsplit(url).hostname or url).lower()
    except ValueError:
        return url


class Bulkheads(Generic[T]):
    """Work sorted into lanes. The next item costs the same however many lanes there are.

    Args:
        items: what to do, in order.
        bulkhead_of: which lane an item belongs to.
        work: does one item; False means that its service failed.
        may_continue: asked before each item; False stops the rest.
        most: how many items are worked on side by side; with 1 there is a single thread.
        group_of: which group a lane belongs to; by default each lane is one of its own.
        suspect: whether the last time for this item failed: its lane waits for the others, and
            the item for those of its lane that did not.
        spend: asked before each item of a lane that fails; False leaves these lanes.
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
        self._waiting: dict[str, deque[T]] = {}
        suspects: set[str] = set()
        for item in sorted(items, key=suspect):
            bulkhead = bulkhead_of(item)
            self._waiting.setdefault(bulkhead, deque()).append(item)
            if suspect(item):
                suspects.add(bulkhead)
        self._group_of = {bulkhead: group_of(bulkhead) for bulkhead in self._waiting}
        self._groups = {name: _Group() for name in self._group_of.values()}
        for bulkhead in self._waiting:
            self._groups[self._group_of[bulkhead]].add(bulkhead, suspect=bulkhead in suspects)
        self._all = list(self._groups.values())
        self._work = work
        self._continue = may_continue
        self._spend = spend
        self._most = most
        self._proven_busy = 0
        self._moved = threading.Condition()
        self.done = 0

    def run(self) -> list[T]:
        """Do the work and return what was not begun: stopped, or in a failing lane."""
        waiting = sum(map(len, self._waiting.values()))
        probes = min(PROBES, len(self._groups)) if self._most > 1 else 0
        workers = min(self._most + probes, waiting)
        if workers == 1:
            self._worker()
        elif workers:
            with ThreadPoolExecutor(workers) as pool:
                working = [pool.submit(self._worker) for _ in range(workers)]
            for worker in working:
                worker.result()  # what a worker did not expect is not lost
        return [item for bulkhead in self._waiting.values() for item in bulkhead]

    def _worker(self) -> None:
        while (taken := self._take()) is not None:
            bulkhead, kind, item = taken
            well = False
            try:
                well = self._work(item)
            finally:
                with self._moved:
                    self._proven_busy -= kind is _Kind.WORKING
                    left = bool(self._waiting[bulkhead])
                    self._groups[self._group_of[bulkhead]].done(
                        bulkhead, kind, well=well, left=left
                    )
                    self.done += 1
                    self._moved.notify_all()

    def _take(self) -> tuple[str, "_Kind", T] | None:
        with self._moved:
            while self._continue():
                room, spend = self._proven_busy < self._most, self._spend()
                offers = [
                    (group.fails or kind is _Kind.FAILING, group.busy, group.served, at, kind)
                    for at, group in enumerate(self._all)
                    if (kind := group.offer(room=room))
                ]
                offers = [offer for offer in offers if spend or not offer[0]]
                if offers:
                    *_, at, kind = min(offers)  # no two have the same place
                    group = self._all[at]
                    bulkhead = group.take(kind)
                    item = self._waiting[bulkhead].popleft()
                    group.taken(bulkhead, kind, left=bool(self._waiting[bulkhead]))
                    self._proven_busy += kind is _Kind.WORKING
                    return bulkhead, kind, item
                if not any(group.busy for group in self._all):
                    return None
                self._moved.wait(timeout=1)
            return None


class _Kind(Enum):
    """What is known of a lane."""

    NEW = "new"  #: none of its items is done yet
    WORKING = "proven"  #: its last item went well
    FAILING = "doubtful"  #: its last item failed, or one of the time before did


class _Group:
    """The lanes of one host, each with its turn; a lane that was left alone is in none of them."""

    def __init__(self) -> None:
        self.busy = 0
        self.served = 0
        self._answers = False  #: whether an item went well, and not several lanes failed since
        self._failed: set[str] = set()  #: lanes that failed, with no success between
        self._failures = Counter[str]()  #: of a lane, in a row
        self._unproven_busy = 0
        self._kinds: dict[str, _Kind] = {}
        self._turn: dict[_Kind, deque[str]] = {kind: deque() for kind in _Kind}
        self._queued: set[tuple[_Kind, str]] = set()

    def add(self, bulkhead: str, *, suspect: bool) -> None:
        """Take in a lane."""
        self._put(bulkhead, _Kind.FAILING if suspect else _Kind.NEW)

    def offer(self, *, room: bool) -> _Kind | None:
        """Return of which kind the next lane would be; None while none may be served.

        Args:
            room: whether more items of proven lanes may be worked on.
        """
        if len(self._failed) >= FAILURES or self.busy >= MOST_PER_BULKHEAD:
            return None
        if not self._answers and self.busy:
            return None
        for kind in _Kind:
            may = room if kind is _Kind.WORKING else self._unproven_busy < _UNPROVEN
            if may and self._has(kind):
                return kind
        return None

    @property
    def fails(self) -> bool:
        """Whether several of its services failed, and none went well since."""
        return len(self._failed) >= _FAILING_HOST

    def take(self, kind: _Kind) -> str:
        """Return the lane whose turn it is, of the kind that was offered."""
        bulkhead = self._turn[kind].popleft()
        self._queued.discard((kind, bulkhead))
        return bulkhead

    def taken(self, bulkhead: str, kind: _Kind, *, left: bool) -> None:
        """Note that an item of a lane is being worked on, and whether more of them are `left`."""
        self.busy += 1
        self.served += 1
        if kind is _Kind.WORKING:
            if left:
                self._put(bulkhead, kind)  # it may have more of them at once
        else:
            self._unproven_busy += 1

    def done(self, bulkhead: str, kind: _Kind, *, well: bool, left: bool) -> None:
        """Note how an item went, which was taken while its lane was of this `kind`."""
        self.busy -= 1
        self._unproven_busy -= kind is not _Kind.WORKING
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
            self._turn[kind].append(bulkhead)

    def _has(self, kind: _Kind) -> bool:
        order = self._turn[kind]
        while order and self._kinds.get(order[0]) is not kind:
            self.take(kind)  # it is of another kind by now, or was left alone
        return bool(order)
