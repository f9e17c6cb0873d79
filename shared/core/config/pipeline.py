"""One pipeline of pipelines.yaml: which data, which training service, which endpoints.

The same model is stored inside each run, so that a run is always finished by the
configuration it was opened with. Secrets appear only as `${NAME}` of an app setting.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from shared.core.config.cross_field import is_unknown, known_pairs, together
from shared.core.config.data import Data
from shared.core.config.endpoint_checks import (
    approval_of_nothing,
    clear_models,
    compared_at_an_endpoint,
    compared_with_nothing,
    not_apart,
    not_fitting,
    not_served,
)
from shared.core.config.gate import Gate, LoggedMetrics
from shared.core.config.kinds import Endpoint, Training
from shared.core.config.pattern import tokens_of
from shared.core.config.problems import Mistake
from shared.core.config.schedule import Recurrence, checked_schedule
from shared.core.config.training import DATA, MANIFEST
from shared.core.config.types import Name, Span, Strict, parse_duration
from shared.core.config.window_checks import mistakes_of_windows, needs_second_form, uses_windows
from shared.core.config.windows import Window, filled

PIPELINE_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"


class Budget(Strict):
    """How often a pipeline may train, for each of its keys."""

    least_interval: Span | None = Field(
        default=None, description="The least time between the starts of two runs."
    )
    most_per_day: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="The most runs that may begin within any 24 hours."
    )


class WaitForData(Strict):
    """How a due time waits for data that arrives late."""

    every: Span = Field(
        default_factory=lambda: parse_duration("10m"), description="How often to check."
    )
    at_most: Span = Field(description="How long to wait for data that no run was opened for yet.")


class RollOut(Strict):
    """How many endpoints are updated at a time: canaries first, then the rest."""

    first: Annotated[int, Field(ge=1, le=200)] = Field(
        default=1,
        description="The canaries: no other endpoint is updated until these are verified.",
    )
    then: Annotated[int, Field(ge=1, le=200)] = Field(
        default=1, description="Then this many endpoints at a time."
    )


class Pipeline(Strict):
    """One pipeline: the data, the training service, and the endpoints that serve the model."""

    name: Annotated[str, StringConstraints(pattern=PIPELINE_NAME)]
    data: Data | None = Field(
        default=None,
        description="The data that opens runs; left out for a service that finds its data itself.",
    )
    key: tuple[Name, ...] | None = Field(
        default=None,
        description="The tokens that separate customers; by default those used under endpoints.",
    )
    schedule: Annotated[str, AfterValidator(checked_schedule)] | Recurrence | None = Field(
        default=None,
        description="Due times, as NCRONTAB in UTC or as a recurrence: also train then, on the "
        "newest matching blob of each key.",
    )
    catch_up: Literal["latest", "all", "none"] = Field(
        default="latest", description="Which missed due times get a run afterwards."
    )
    catch_up_most: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=24, description="With catch_up: all, at most this many, the newest ones."
    )
    skip_if_no_new_data: bool = Field(
        default=False, description="Skip a due time if its data already has a run."
    )
    wait_for_data: WaitForData | None = Field(
        default=None, description="A due time waits for data that has no run yet."
    )
    when_busy: Literal["newest", "queue", "parallel"] = Field(
        default="newest",
        description="If a run of the same key is open. newest: one run then takes all data that "
        "arrived meanwhile; queue: one run after the other; parallel: all at once.",
    )
    order: Literal["oldest_first", "newest_first"] = Field(
        default="oldest_first", description="Which waiting run is next."
    )
    max_parallel: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Concurrency limit: open runs of this pipeline, over all keys."
    )
    budget: Budget = Field(default_factory=Budget, description="How often runs may begin, per key.")
    pause_after: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="This many failures in a row pause the pipeline for that key, until an "
        "operator resumes it.",
    )
    training: Training = Field(description="The training service, and what a job is given.")
    gate: Gate = Field(default_factory=Gate, description="When a model may be promoted.")
    roll_out: Literal["one_by_one"] | RollOut = Field(
        default="one_by_one",
        description="How several endpoints are updated: one_by_one, or {first: 1, then: 20}. A "
        "failure stops the endpoints not yet begun.",
    )
    endpoints: tuple[Endpoint, ...] = Field(
        default=(),
        description="The endpoints that get the model; without any, a run ends after the gate.",
    )

    @field_validator("endpoints", mode="after")
    @classmethod
    def _beside_the_training(
        cls, endpoints: tuple[Endpoint, ...], info: ValidationInfo
    ) -> tuple[Endpoint, ...]:
        """Give each endpoint what the training says and it leaves out."""
        if is_unknown(endpoints) or "training" not in info.data:
            return endpoints
        training = info.data["training"]
        return tuple(one if is_unknown(one) else one.beside(training) for one in endpoints)

    @field_validator("key", mode="before")
    @classmethod
    def _one_token_is_a_key(cls, given: Any) -> Any:
        tokens = [given] if isinstance(given, str) else given
        if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
            return tuple(token.strip("{}") for token in tokens)
        return given

    @together
    def _one_clear_model(self) -> Iterator[Mistake]:
        yield from clear_models(self.training, self.endpoints)

    @together
    def _endpoints_apart(self) -> Iterator[Mistake]:
        yield from not_apart(self.endpoints)

    @together
    def _endpoints_that_serve_its_models(self) -> Iterator[Mistake]:
        yield from not_served(self.training, self.endpoints)

    @together
    def _endpoints_that_fit(self) -> Iterator[Mistake]:
        yield from not_fitting(self.training, self.endpoints)

    @together
    def _data_where_it_is_used(self) -> Iterator[Mistake]:
        if self.data is None and (self.training.sources or self.training.wants_manifest):
            yield Mistake(
                "data is missing",
                "name the blobs to train on, or write `inputs: {}` under training for a service "
                "that finds its data itself",
            )

    @together
    def _windows_where_they_are(self) -> Iterator[Mistake]:
        yield from mistakes_of_windows(self.schedule, self.data, self.training)

    @together
    def _known_tokens_in_parameters(self) -> Iterator[Mistake]:
        texts = [str(value) for value in self.training.parameters.values()]
        used = {token for text in texts for token in tokens_of(text)} - {"data"}
        yield from self._unknown_in(used, "training", "parameters")

    @together
    def _known_tokens_in_inputs(self) -> Iterator[Mistake]:
        paths = [text for text in self.training.sources.values() if text not in (DATA, MANIFEST)]
        used = {token for text in paths for token in tokens_of(text)}
        yield from self._unknown_in(used, "training", "inputs")

    @together
    def _known_tokens_in_endpoints(self) -> Iterator[Mistake]:
        found = known_pairs(self.endpoints, "tokens")
        used = {token for (tokens,) in found for token in tokens}
        yield from self._unknown_in(used, "endpoints")
        if self.key is not None and (missing := used - set(self.key)):
            what = f"must hold {min(missing)}, because an endpoint is chosen by it"
            yield Mistake(what, at=("key",))

    @together
    def _known_tokens_in_the_key(self) -> Iterator[Mistake]:
        yield from self._unknown_in(set(self.key or ()), "key")

    def _unknown_in(self, used: set[str], *at: str) -> Iterator[Mistake]:
        captured = set(self.captured)
        if missing := used - captured:
            there, name = ", ".join(sorted(captured)) or "none", min(missing)
            advice = f"write {{{name}:yyyy/MM/dd}} for a time of the window"
            what = f"unknown token {{{name}}}; data.blob captures {there}"
            yield Mistake(what, advice if name in ("start", "end") else "", at=at)

    @together
    def _a_marker_is_no_data(self) -> Iterator[Mistake]:
        if self.data and self.data.marker and DATA in self.training.sources.values():
            what = "the blob is a marker, name the data by a path with its tokens"
            yield Mistake(what, at=("training", "inputs"))

    @together
    def _metrics_of_an_output(self) -> Iterator[Mistake]:
        yield from self.gate.unusable_outputs(self.training.models, self.training.all_outputs)

    @together
    def _only_what_the_service_can_do(self) -> Iterator[Mistake]:
        service = f"a job of training.kind: {self.training.kind}"
        if not self.training.takes_copies and self.data and self.data.pin != "none":
            yield Mistake(f"{service} gets no copies", "remove it", ("data", "pin"))
        elif self.data and self.data.pin == "copy" and self.training.wants_manifest:
            what = "a list names the blobs where they are, so that copies of them are not read"
            advice = "leave pin out: a run whose data changes meanwhile ends superseded"
            yield Mistake(what, advice, ("data", "pin"))
        if not self.training.logs_metrics and isinstance(self.gate.metrics, LoggedMetrics):
            what = f"{service} logs no metrics with MLflow"
            yield Mistake(what, "name an output", ("gate", "metrics"))

    @together
    def _approval_where_it_is_used(self) -> Iterator[Mistake]:
        yield from approval_of_nothing(self.gate, self.endpoints)

    @together
    def _comparison_where_it_is_used(self) -> Iterator[Mistake]:
        yield from compared_with_nothing(self.gate, self.endpoints)
        yield from compared_at_an_endpoint(self.gate, self.training, self.endpoints)

    @together
    def _schedule_where_it_is_used(self) -> Iterator[Mistake]:
        asked = self.wait_for_data is not None or self.skip_if_no_new_data
        if asked and (self.schedule is None or self.data is None):
            yield Mistake("wait_for_data and skip_if_no_new_data need a schedule and data")

    @property
    def uses_windows(self) -> bool:
        """Whether its texts hold times of windows that are to be filled in."""
        return uses_windows(self.schedule, self.data, self.training)

    def in_window(self, window: Window) -> "Pipeline":
        """Return the pipeline with the times of a window filled in.

        Raises:
            ValueError: a time is outside the calendar.
        """
        if not self.uses_windows:
            return self
        data = self.data.evolve(blob=filled(self.data.blob, window)) if self.data else None
        return self.evolve(data=data, training=self.training.in_window(window))

    @property
    def form(self) -> int:
        """The lowest schema version of a record that has this configuration."""
        later = needs_second_form(self.schedule, self.training) or self.gate.needs_second_form
        return max(2 if later or self.uses_windows else 1, 1, *(one.form for one in self.endpoints))

    @property
    def at_once(self) -> bool:
        """Whether each data version has its run at once, with nothing to wait for."""
        limits = (self.max_parallel, self.training.max_parallel, self.pause_after)
        free = self.when_busy == "parallel" and self.budget == Budget()
        return free and not any(limits) and not (self.data and self.data.has_batch_window)

    @property
    def trusts_size(self) -> bool:
        """Whether equal size and creation time stand for equal bytes of data without an MD5."""
        return self.data is not None and self.data.trusts_size

    @property
    def captured(self) -> tuple[str, ...]:
        """The tokens that the path of the data captures, in order."""
        return tokens_of(self.data.blob) if self.data else ()

    @property
    def key_tokens(self) -> tuple[str, ...]:
        """The tokens that separate customers, in the order of the data's path."""
        if self.key is not None:
            return self.key
        used = {token for endpoint in self.endpoints for token in endpoint.tokens}
        return tuple(token for token in self.captured if token in used)

    @property
    def rolls(self) -> RollOut:
        """How many endpoints are updated at a time: canaries first, then the rest."""
        return RollOut() if self.roll_out == "one_by_one" else self.roll_out

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint of a pipeline that has one; None where there is none, or several."""
        return self.endpoints[0] if len(self.endpoints) == 1 else None

    def chosen_by(self, tokens: Mapping[str, str]) -> "Pipeline":
        """Return the pipeline with the endpoints that `tokens` choose, in the window they keep.

        Raises:
            ValueError: a value cannot be part of an endpoint's URL, or a time of the window is
                outside the calendar; the message says why.
        """
        window = Window.of_tokens(tokens)
        here = self.in_window(window) if window else self
        if not any(endpoint.tokens for endpoint in self.endpoints):
            return here
        endpoints = tuple(endpoint.chosen_by(tokens) for endpoint in self.endpoints)
        if len({endpoint.identity for endpoint in endpoints}) != len(endpoints):
            raise ValueError("two of the endpoints would be the same one")
        return here.evolve(endpoints=endpoints, key=self.key_tokens)

    def only(self, endpoint: Endpoint) -> "Pipeline":
        """Return the pipeline as one of its endpoints sees it."""
        return self.evolve(endpoints=(endpoint,), key=self.key_tokens)
