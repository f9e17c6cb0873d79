"""Two hosts with different files, one running inside each call of the other: no version twice."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import permutations
from typing import Any, Final

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase
from shared.errors import RelearnError
from tests.fakes.faults import Crash, Faults, Kind
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

    def search(self) -> None:
        self.app.search.run_until(self.clock.now() + 3 * MINUTE)

    def live(self) -> None:
        for name in NAMES:
            self.clock.move(timedelta(seconds=1))
            self.upload(name, f"a,b,label\n{name},2,0\n3,4,1\n".encode())
            for _ in range(3):
                if self.bear(lambda name=name: self.deliver(name)):
                    break
        self.tick_on(2)
        self.use(1)
        self.tick_on(8)
        self.clock.move(20 * MINUTE)
        self.bear(self.search)
        self.tick_on(6)

    def tick_on(self, number: int) -> None:
        for _ in range(number):
            self.bear(lambda: self.tick(60))


def pairs() -> list[tuple[str, str]]:
    return list(permutations(FILES, 2))


@pytest.mark.parametrize("files", pairs(), ids="-".join)
def test_each_version_is_in_one_run_wherever_the_other_host_comes_between(
    files: tuple[str, str],
) -> None:
    calm = Rolling(files=files, faults=Faults({}))
    begun = len(calm.faults.sites)
    calm.live()
    calls = [at for at in range(begun, len(calm.faults.sites)) if calm.faults.sites[at] in CLAIMS]
    deaths = calls[pairs().index(files) % 3 :: 3]  # the neighbours of a pair have the others
    for kind, chosen in ((Kind.PREEMPT, calls), (Kind.CRASH_AFTER, deaths)):
        for call in chosen:
            world = Rolling(files=files, faults=Faults({}), event_of_one=call % 2 == 0)
            world.faults.plan = {call: kind}
            world.live()
            where = f"{kind} at {call}: {calm.faults.sites[call]}"
            counted = Counter(blob.name for run in world.runs() for blob in run.manifest)
            assert counted == dict.fromkeys(NAMES, 1), where
            assert {run.phase for run in world.runs()} == {Phase.FINISHED}, where
            assert max(Counter(world.starts).values()) == 1, where
            left = [n for n in world.documents.rows if n.startswith(("inbox/", "open/"))]
            assert left == [], where
