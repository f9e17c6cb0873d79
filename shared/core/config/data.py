"""Configuration of a pipeline's data: its blobs and its batch window."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.core.config.cross_field import together
from shared.core.config.pattern import checked_pattern
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.types import Duration, Size, Span, Strict, parse_duration
from shared.core.config.windows import checked_path


def _checked_blob(pattern: str) -> str:
    return checked_path(pattern, _checked_filled)


def _checked_filled(pattern: str) -> str:
    if pattern.startswith("/"):
        raise WrongValueError(
            "starts with a slash", "start below the container, without a leading slash"
        )
    return checked_pattern(pattern)


class Data(Strict):
    """Which blobs of the training data container open a run."""

    blob: Annotated[
        str,
        StringConstraints(min_length=1, max_length=1024),
        AfterValidator(_checked_blob),
    ] = Field(
        description="Pattern of blob names inside TRAINING_DATA_CONTAINER. A {token} captures a "
        "part of one path segment; {start:yyyy/MM/dd} and {end:yyyy/MM/dd} are times of the window "
        "of a due time.",
        examples=["census/{date}/{name}.csv"],
    )
    marker: bool = Field(
        default=False,
        description="true: the blob only says that the data is complete (as _SUCCESS does), and "
        "may be empty. The inputs of the training are then paths with its {tokens}.",
    )
    settle: Duration = Field(
        default_factory=lambda: parse_duration("0s"),
        description="Batch window: wait until no blob has arrived for this long, then train once "
        "on all that wait.",
    )
    settle_at_most: Span = Field(
        default_factory=lambda: parse_duration("30m"),
        description="The longest batch window: a run begins at most this long after the first "
        "blob.",
    )
    opens_runs: bool = Field(
        default=True,
        description="false: new data opens no run; the schedule and operators do.",
    )
    min_size: Size = Field(
        default=1, description="Smaller blobs open no run. Written as 1KB or 10MB."
    )
    backfill: Literal["none", "newest", "all"] = Field(
        default="none",
        description="Whether blobs older than the pipeline's first activation are trained on: "
        "none, the newest of each key, or all.",
    )
    pin: Literal["none", "copy"] = Field(
        default="none",
        description="copy: a job of Azure Machine Learning is given copies of its blobs, below "
        "`runs/<pipeline>/<run>/inputs/` in MODELS_CONTAINER; not with {data.manifest} or "
        "{data.mltable}, which list the blobs where they are. none: the blobs where they are; if "
        "one changes meanwhile, the run ends superseded.",
    )

    without_md5: Literal["train", "ignore"] = Field(
        default="train",
        description="What to do with a blob without Content-MD5 if its ETag changed, and its size "
        "and creation time did not: nothing shows whether its bytes changed. `train` may train on "
        "the same bytes again; `ignore` may miss new bytes of the same size.",
    )

    @model_validator(mode="before")
    @classmethod
    def _a_marker_may_be_empty(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("marker") is True:
            return {"min_size": 0, **given}
        return given

    @together
    def _window_is_short_enough(self) -> Iterator[Mistake]:
        if self.settle > self.settle_at_most:
            yield Mistake("must not be longer than settle_at_most", at=("settle",))

    @property
    def least(self) -> int:
        """How many bytes a blob must have; only a marker may be empty."""
        return self.min_size if self.marker else max(self.min_size, 1)

    @property
    def trusts_size(self) -> bool:
        """Whether, without an MD5, equal size and creation time stand for equal bytes."""
        return self.without_md5 == "ignore"

    @property
    def has_batch_window(self) -> bool:
        """Whether there is a batch window."""
        return self.settle > timedelta()
