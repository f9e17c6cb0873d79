"""A world whose second model is at a step that lasts, while clients send requests."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from local.azureml.containers import error_of_model, hashed_scores
from shared.core.run.promotion import Step
from shared.core.run.record import Phase, Run
from tests.fakes.azureml_world import CENSUS, ROWS, AzureMlWorld, with_endpoint
from tests.unit.execution.test_candidates import SECOND, candidate, version_of

ALLOWED: dict[str, Any] = {"pipeline": {"gate": {"first_model": "allow"}}}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
T = TypeVar("T")
RULES: dict[str, Any] = {
    "bake": "10m",
    "min_requests": 20,
    "max_error_rate": "10%",
    "give_up_after": "30m",
}


class Baking(AzureMlWorld):
    """A second model of ours has 10 % of the requests; clients send some each minute."""

    requests = 0
    old = ""
    second: Run
    body: Mapping[str, Any] = ROWS

    def tick(self, seconds: int = 60) -> None:
        super().tick(seconds)
        for _ in range(self.requests if self.traffic() else 0):
            self.ask()

    def ask(self) -> None:
        key = self.azureml.state.endpoints[CENSUS].key
        self.azureml.score(CENSUS, self.body, {"Authorization": f"Bearer {key}"})

    def begin(self, requests: int, traffic: Mapping[str, Any]) -> None:
        """Bring the second model to its first step."""
        self.pipeline = with_endpoint(self.pipeline, {}, {**RULES, **traffic})
        self.restart()
        self.second, self.requests = self.next_run("2.csv", SECOND), requests
        self.at(0)

    def at(self, position: int, ticks: int = 200) -> Step:
        """Let time pass until a step is carried out, and lasts."""

        def begun() -> Step | None:
            promotion = self.now_of(self.second).promotion
            here = promotion is not None and promotion.position == position and promotion.bakes
            return promotion.step if promotion is not None and here else None

        return self.when(begun, ticks)

    def when(self, check: Callable[[], T | None], ticks: int = 400) -> T:
        for _ in range(ticks):
            if (found := check()) is not None:
                return found
            self.tick()
        raise AssertionError(str(self.now_of(self.second).history[-5:]))

    def fail_for_clients(self) -> None:
        """Have the second model fail at the rows of clients from now on, and not at probes."""
        good, bad = hashed_scores("another"), error_of_model(500, "KeyError")
        self.azureml.hooks.set_model(
            version_of(self.second), lambda body: good(body) if body == ROWS else bad(body)
        )
        self.body = {"input_data": {"columns": ["a", "b"], "data": [["5", None]]}}

    @property
    def new(self) -> str:
        return candidate(self, self.second)

    def ended(self, ticks: int = 600) -> Run:
        return self.until_idle(self.second, ticks=ticks, seconds=60)

    def safe(self) -> None:
        assert self.azureml.violations == []


@cache
def served() -> Baking:
    """Return a world where a first model of ours serves; the steps to it did not last."""
    world = Baking()
    first = world.start()
    world.until(first, Phase.PROMOTED, ticks=60)
    world.old = candidate(world, first)
    return world


@cache
def begun(requests: int, *traffic: tuple[str, Any]) -> Baking:
    """Return a world whose second model is at its first step; it is only to be copied."""
    world = served().copied()
    world.begin(requests, dict(traffic))
    return world


def baking(requests: int = 20, **traffic: Any) -> Baking:
    return begun(requests, *traffic.items()).copied()


@cache
def over() -> Baking:
    """Return a world whose second model went all the way; it is only to be copied."""
    world = baking()
    world.ended()
    return world


def baked() -> Baking:
    return over().copied()
