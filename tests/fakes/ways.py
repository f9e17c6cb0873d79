"""Sequences of moves of a world, and trials of faults: each from a copy made before it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from shared.telemetry import use_redactor
from tests.fakes.azureml_runs import AzureMlRuns
from tests.fakes.faults import Kind, kinds_at
from tests.fakes.snapshots import Snapshot
from tests.fakes.world import World

W = TypeVar("W", bound=World)

#: The number of an effect or a call that there never is.
NEVER: Final = 10**9
#: Each returns whether it is to be made again.
Moves: TypeAlias = "Sequence[Callable[[Way[W]], bool]]"


@dataclass
class Way(Generic[W]):
    """What happens to a world, move by move. It holds all that it needs, so a copy can go on."""

    world: W
    moves: "Moves[W]"
    at: int = 0  #: the number of the next move
    tries: int = 0  #: how often that move was made
    taken: bool = False  #: whether an event or a request was taken

    def go(self) -> W:
        """Go on to the end, and return the world."""
        while self.step():
            pass
        return self.world

    def step(self) -> bool:
        """Make one move; False: there is none."""
        if self.at == len(self.moves):
            return False
        again = self.moves[self.at](self)
        self.at, self.tries = (self.at, self.tries + 1) if again else (self.at + 1, 0)
        return True


def once(move: Callable[[W], object]) -> "Callable[[Way[W]], bool]":
    """Return a move that is made once, with any result."""

    def made(way: Way[W]) -> bool:
        way.world.survive(lambda: move(way.world))
        return False

    return made


def _mark(world: World) -> tuple[int, int]:
    """Return how many effects there were, and how many calls of a workspace, where there is one."""
    calls = world.azureml.calls.log if isinstance(world, AzureMlRuns) else ()
    return len(world.faults.sites), len(calls)


class Trials(Generic[W]):
    """A way that is gone without a fault, and copies of it ahead of its moves.

    A trial goes on from the last move that no fault of it comes before: up to there it is the way
    without faults, to the last byte. A fault that comes after the end is none.

    Args:
        way: at its beginning.
    """

    def __init__(self, way: Way[W]) -> None:
        self._kept = {0: Snapshot(way)}  #: by the number of the moves before
        self._marks = [_mark(way.world)]  #: after so many moves
        while way.step():
            self._marks.append(_mark(way.world))
        self.world: Final = way.world  #: at its end
        self.effects: Final = list(way.world.faults.sites)

    def ahead_of(self, effect: int = NEVER, call: int = NEVER) -> Way[W]:
        """Return a copy of the way, ahead of an effect of the app or a call of the workspace.

        Args:
            effect: its number; never: any.
            call: its number, in the log of the workspace; never: any.
        """
        before = (effects <= effect and calls <= call for effects, calls in self._marks)
        moves = sum(before) - 1  # there are more and more of both
        if moves not in self._kept:
            earlier = max(number for number in self._kept if number < moves)
            way = self._copy(earlier)
            for _ in range(moves - earlier):
                way.step()
            self._kept[moves] = Snapshot(way)
        return self._copy(moves)

    def _copy(self, moves: int) -> Way[W]:
        way = self._kept[moves].copy()
        use_redactor(way.world.context.redactor)
        return way

    def with_faults(self, plan: dict[int, Kind]) -> W:
        """Return the world at the end of the way with these faults."""
        way = self.ahead_of(min(plan, default=NEVER))
        way.world.faults.plan = dict(plan)
        return way.go()

    def after_each(
        self,
        kind: Kind,
        problems: Callable[[W], Iterable[str]],
        chosen: slice = slice(None),
    ) -> list[str]:
        """Return what is wrong after a fault at each effect that it fits, in a trial of its own.

        Args:
            kind: of the fault.
            problems: yields what is wrong in the end.
            chosen: which effects; all unless given.
        """
        places = range(len(self.effects))[chosen]
        tried = [at for at in places if kind in kinds_at(self.effects, at)]
        found = ((at, list(problems(self.with_faults({at: kind})))) for at in tried)
        return [f"{at} {self.effects[at]}: {wrong}" for at, wrong in found if wrong]
