"""Two hosts with different files, one running inside each call of the other: no version twice."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import permutations
from typing import Any, Final, TypeAlias

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase
from shared.errors import RelearnError
from tests.fakes.faults import Crash, Kind
from tests.fakes.ways import Moves, Trials, Way, once
from tests.fakes.world import pipeline
from tests.unit.worlds import Observed

FILES: Final[dict[str, dict[str, Any]]] = {
    "parallel": {"when_busy": "parallel"},
    "newest": {"when_busy": "newest"},
    "queue": {"when_busy": "queue"},
    "settle": {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "30s"}},
    "shared_queues": {"when_busy": "parallel", "max_parallel": 1},
    "key": {"when_busy": "newest", "key": ["name"]},
    "pattern": {"when_busy": "newest", "data": {"blob": "{kind}-{name}.csv"}, "key": ["kind"]},
}
#: The effects by which hosts agree on the owner of a version.
CLAIMS: Final = (
    "create inbox",
    "create open",
    "create run_queues",
    "replace run_queues",
    "create versions",
    "replace versions",
    "create runs",
    "delete inbox",
)
NAMES: Final = ("x-a.csv", "y-b.csv")
MINUTE: Final = timedelta(minutes=1)
Move: TypeAlias = "Callable[[Way[Rolling]], bool]"


@dataclass
class Rolling(Observed):
    """A host with one file; the other host is there while a call is made, or after a death."""

    files: tuple[str, str] = ("newest", "newest")
    both: list[Pipeline] = field(default_factory=list)
    event_of_one: bool = False  #: the other host has the event of the second blob, and no tick

    def __post_init__(self) -> None:
        super().__post_init__()
        usual: dict[str, Any] = {"endpoints": []}
        for name in self.files:
            changes = {"pipeline": {**usual, **FILES[name]}}
            self.both.append(pipeline(self.training, self.endpoint, changes))
        self.use(0)
        self.app.activations.refresh()
        self.faults.other_worker = self.other_host

    def use(self, which: int) -> None:
        self.pipeline = self.both[which]
        self.restart()

    def other_host(self) -> None:
        mine = self.pipeline
        self.pipeline = next(one for one in self.both if one is not mine)
        app = self._worker()
        poll = app.poll
        self.pipeline = mine
        for name in NAMES[1:] if self.event_of_one else NAMES:
            with suppress(RelearnError):
                app.blob_events.blob_arrived(name)
        with suppress(RelearnError):
            if not self.event_of_one:
                poll.tick()

    def bear(self, do: Any) -> bool:
        """Do something; a host that dies in it is replaced by one with the other file."""
        try:
            do()
        except Crash:
            self.clock.move(3 * MINUTE)  # longer than a lease
            self.use(1)
            return False
        except RelearnError:
            return False
        return True

    def waits(self) -> bool:
        left = (name for name in self.documents.rows if name.startswith(("inbox/", "open/")))
        return bool(self.faults.late) or any(left)

    def search(self) -> None:
        self.app.search.run_until(self.clock.now() + 3 * MINUTE)


def _uploaded(name: str) -> Move:
    def uploaded(world: Rolling) -> None:
        world.clock.move(timedelta(seconds=1))
        world.upload(name, f"a,b,label\n{name},2,0\n3,4,1\n".encode())

    return once(uploaded)


def _delivered(name: str) -> Move:
    def delivered(way: Way[Rolling]) -> bool:
        return not way.world.bear(lambda: way.world.deliver(name)) and way.tries < 2

    return delivered


def _ticks(most: int) -> Move:
    """Return a move that is made until nothing waits any more, and twice at least."""

    def tick(way: Way[Rolling]) -> bool:
        way.world.bear(lambda: way.world.tick(60))
        return way.tries < 1 or (way.tries + 1 < most and way.world.waits())

    return tick


def _searched(way: Way[Rolling]) -> bool:
    way.world.clock.move(20 * MINUTE)
    way.world.bear(way.world.search)
    return False


#: Both blobs arrive, the other file is deployed, and what is there is searched for.
MOVES: "Final[Moves[Rolling]]" = (
    *(move for name in NAMES for move in (_uploaded(name), _delivered(name))),
    _ticks(2),
    once(lambda world: world.use(1)),
    _ticks(8),
    _searched,
    _ticks(6),
)


def pairs() -> list[tuple[str, str]]:
    return list(permutations(FILES, 2))


@pytest.mark.parametrize("files", pairs(), ids="-".join)
def test_each_version_is_in_one_run_wherever_the_other_host_comes_between(
    files: tuple[str, str],
) -> None:
    begun = Rolling(files=files)
    first = len(begun.faults.sites)
    trials = Trials(Way(begun, MOVES))
    sites = trials.effects
    calls = [at for at in range(first, len(sites)) if sites[at] in CLAIMS]
    deaths = calls[pairs().index(files) % 3 :: 3]  # the neighbours of a pair have the others
    for kind, chosen in ((Kind.PREEMPT, calls), (Kind.CRASH_AFTER, deaths)):
        for call in chosen:
            way = trials.ahead_of(call)
            way.world.event_of_one = call % 2 == 0
            way.world.faults.plan = {call: kind}
            world = way.go()
            where = f"{kind} at {call}: {sites[call]}"
            counted = Counter(blob.name for run in world.runs() for blob in run.manifest)
            assert counted == dict.fromkeys(NAMES, 1), where
            assert {run.phase for run in world.runs()} == {Phase.FINISHED}, where
            assert max(Counter(world.starts).values()) == 1, where
            assert not world.waits(), where
