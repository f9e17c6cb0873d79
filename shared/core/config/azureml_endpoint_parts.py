"""Parts of `endpoints[].kind: azureml`: traffic, verification, how an endpoint is made."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from shared.core.config.azureml_names import ApiVersion
from shared.core.config.azureml_parts import NEWEST_VERSION
from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.types import Duration, Span, Strict, parse_duration
from shared.core.counting import counted
from shared.core.frozen import left_out
from shared.core.serving.error_comparison import time_needed
from shared.core.serving.traffic import ALL
from shared.core.serving.traffic_rules import LATE, TrafficRules

_STEPS: Final = (10, 50, 100)
#: The number of requests that a rule needs, unless the file says otherwise.
_REQUESTS: Final = 100
#: The requests in a minute that are assumed, where a time is said before there are any.
_ASSUMED: Final = 100


def _percent(given: Any, info: ValidationInfo) -> Any:
    """Return a percentage such as `1%` as a number; a bare number could mean two things."""
    if info.context is None and isinstance(given, int | float):
        return given  # as a record holds it
    found = re.fullmatch(r"(\d{1,4}(?:\.\d{1,4})?) ?%", str(given).strip())
    if found is None:
        raise WrongValueError("is not a percentage", "write it like 1%")
    return float(found[1])


Percent = Annotated[
    float, BeforeValidator(_percent, json_schema_input_type=str), Field(examples=["1%"])
]
#: The content of the file that `rows` names, which the loader puts in its place.
RequestFile = Annotated[
    dict[str, Any], WithJsonSchema({"type": "string", "examples": ["request.json"]})
]


class AzureMlVerify(Strict):
    """How an update is verified: a request is scored ahead of it and after it."""

    rows: RequestFile = Field(
        description="JSON file with the request body as it is sent (an object), in the folder of "
        "pipelines.yaml or below it."
    )
    within: Span | None = Field(
        default=None,
        description="How long the endpoint may take to answer well after its traffic has changed; "
        "by default 5m.",
    )


class CreateEndpoint(Strict):
    """How an endpoint is made where it does not exist."""

    auth_mode: Literal["key", "aml_token", "aad_token"] = Field(
        default="key", description="How callers of the endpoint authenticate."
    )
    public_network_access: Literal["enabled", "disabled"] = Field(
        default="enabled", description="Whether it is reached from public networks."
    )
    description: str = Field(default="", description="For people.")


class Traffic(Strict):
    """The steps in which a new deployment gets the requests."""

    steps: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(max_length=20)] = Field(
        default=_STEPS, description="Percentages of the requests; they rise and end at 100."
    )
    bake: Duration = Field(
        default_factory=lambda: parse_duration("0s"),
        description="How long each step lasts at least, from when the service has carried it out.",
    )
    mirror: Annotated[int, Field(ge=1, le=50)] | None = Field(
        default=None,
        description="The percentage of requests that is copied to it for one bake, ahead of the "
        "first step. It decides nothing where the service has no measures of copies.",
    )
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="The number of requests that a step waits for. The default is 100 if another "
        "rule needs requests, and none otherwise.",
    )
    max_error_rate: Annotated[Percent, Field(le=100)] | None = Field(
        default=None,
        description="The endpoint is rolled back if more than this share of the requests to the "
        "candidate fails, such as 1%.",
    )
    max_error_increase: Percent | None = left_out(
        description="The endpoint is rolled back once it is sure that requests to the candidate "
        "fail more often, by more than this, such as 20%, than those to the other deployments in "
        "the same minutes. At most one promotion of 20 is rolled back by chance, and more where "
        "instances are often out.",
    )
    max_latency_increase: Percent | None = Field(
        default=None,
        description="The endpoint is rolled back if requests to the candidate take longer, by "
        "more than this, such as 50%, than those to the other deployments.",
    )
    give_up_after: Span = Field(
        default_factory=lambda: parse_duration("1d"),
        description="How long a step waits for enough requests; then an operator decides.",
    )

    @together
    def _rising(self) -> Iterator[Mistake]:
        if list(self.steps) != sorted(set(self.steps)) or self.steps[-1:] != (ALL,):
            yield Mistake("the steps must rise, and end at 100", "[10, 50, 100]", ("steps",))

    @together
    def _mirror_for_a_time(self) -> Iterator[Mistake]:
        if self.mirror is not None and not self.bake:
            yield Mistake("copies are sent for one bake, and bake is 0s", "10m", ("bake",))

    @together
    def _beside_another(self) -> Iterator[Mistake]:
        what = "compares with the other deployments, and at 100 they have no traffic"
        for name in ("max_error_increase", "max_latency_increase"):
            if getattr(self, name) is not None and self.steps == (ALL,):
                yield Mistake(what, "add a step below 100", (name,))

    @property
    def form(self) -> int:
        """The second form compares errors, which an earlier release would not."""
        return 1 if self.max_error_increase is None else 2

    @property
    def times_needed(self) -> dict[int, timedelta]:
        """How long each step has to last to find five times as many errors, by its share."""
        increase, steps = self.max_error_increase, self.rules.compared_steps
        if increase is None:
            return {}
        needed = {
            share: time_needed(_ASSUMED, share, increase, steps)
            for share in self.steps
            if share < ALL
        }
        return {
            share: timedelta(minutes=minutes) + LATE
            for share, minutes in needed.items()
            if minutes is not None
        }

    @property
    def said_times(self) -> str:
        """What `times_needed` says, for operators; empty where errors are not compared."""
        times = [
            f"{counted(round(time.total_seconds() / 60), 'minute')} at {share} %"
            for share, time in self.times_needed.items()
        ]
        if not times:
            return ""
        return (
            f"with {_ASSUMED} requests a minute in all, 5 % of errors instead of 1 % show after "
            f"about {', '.join(times)}"
        )

    @property
    def _compared_steps(self) -> int:
        """The number of steps whose errors are compared; the copies of a mirror are one."""
        if self.max_error_increase is None:
            return 0
        return sum(share < ALL for share in self.steps) + bool(self.mirror)

    @property
    def rules(self) -> TrafficRules:
        """What the requests of a step have to show."""
        limits = (self.max_error_rate, self.max_error_increase, self.max_latency_increase)
        needed = _REQUESTS if any(limit is not None for limit in limits) else 0
        return TrafficRules(
            min_requests=self.min_requests or needed,
            max_error_rate=self.max_error_rate,
            max_error_increase=self.max_error_increase,
            max_latency_increase=self.max_latency_increase,
            compared_steps=self._compared_steps,
        )


class EndpointVersions(Strict):
    """The api-version for each kind of resource of an endpoint."""

    endpoints: ApiVersion = Field(
        default=NEWEST_VERSION, description="The api-version for endpoints."
    )
    deployments: ApiVersion = Field(
        default=NEWEST_VERSION, description="The api-version for deployments."
    )
    metrics: ApiVersion = Field(
        default="2024-02-01", description="The api-version for metrics (Azure Monitor)."
    )
