"""Answers about pipelines."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from functions.api_models.shared import (
    OpenRunShown,
    OperatorChangeShown,
    ResponseModel,
    config_shown,
)
from shared.core.run.concurrency import RunQueue
from shared.operations.pipelines import PipelineStatus
from shared.operations.preview import Preview

#: The newest of the runs that began are shown.
_BEGUN_SHOWN = 10


class RunCounts(ResponseModel):
    """How many runs of a pipeline are open; the numbers may be a tick old."""

    open: int
    failing: int = Field(description="Whose last step failed, or that pause between attempts.")
    awaiting_approval: int
    parked: int


class QueueEntryShown(ResponseModel):
    """A run that waits or began, and since when."""

    run_id: str
    at: AwareDatetime


class RunQueueShown(ResponseModel):
    """The runs that have the slots of one key, and those that wait."""

    key: tuple[str, ...]
    running: tuple[str, ...]
    waiting: tuple[QueueEntryShown, ...]
    begun: tuple[QueueEntryShown, ...]
    paused: OperatorChangeShown | None = Field(description="By failures of this key.")
    over_budget: str | None = Field(
        description="Why the budget lets no run of this key begin now; left out if it does."
    )

    @classmethod
    def of(cls, run_queue: RunQueue, status: PipelineStatus) -> "RunQueueShown":
        """Return the queue of one key as it is shown.

        Args:
            run_queue: the queue.
            status: of its pipeline.
        """
        return cls.model_validate(
            {
                "key": run_queue.key,
                "running": run_queue.holders,
                "waiting": run_queue.waiting,
                "begun": run_queue.begun[-_BEGUN_SHOWN:],
                "paused": run_queue.paused,
                "over_budget": status.over_budget(run_queue),
            }
        )


class PipelineSummary(ResponseModel):
    """The state of a pipeline, without its keys."""

    name: str
    when_busy: Literal["newest", "queue", "parallel"]
    data: str | None
    schedule: str | dict[str, Any] | None
    endpoints: list[str]
    active_since: AwareDatetime | None
    last_due: AwareDatetime | None = Field(
        description="The newest due time that needs no more work."
    )
    next_due: AwareDatetime | None
    waiting_data: int = Field(
        description="Data versions that no run has taken yet; 5,000 stands for that many or more."
    )
    paused: OperatorChangeShown | None = Field(
        description="By an operator, or by failures; if the pipeline has keys, failures pause one "
        "of them, and this is the last such pause."
    )
    resumed: OperatorChangeShown | None = Field(description="The last resume.")
    runs: RunCounts
    unreadable: list[str] = Field(description="Records that are not understood.")
    config: dict[str, Any] = Field(description="As configured; secrets by the name of a setting.")

    @classmethod
    def of(cls, status: PipelineStatus) -> "PipelineSummary":
        """Return a pipeline as it is shown."""
        return cls.model_validate(_fields(status))


class PipelineShown(PipelineSummary):
    """The state of a pipeline, with some of its keys."""

    open_runs: tuple[OpenRunShown, ...] = Field(
        description="Up to 20 open runs and what they wait for, failing ones first."
    )
    keys: list[RunQueueShown]
    next: str | None = Field(description="The cursor of the next page of keys.")

    @classmethod
    def of(cls, status: PipelineStatus) -> "PipelineShown":
        """Return a pipeline and its keys as they are shown."""
        keys = {
            "open_runs": status.open_runs,
            "keys": [RunQueueShown.of(run_queue, status) for run_queue in status.run_queues],
            "next": status.keys.cursor,
        }
        return cls.model_validate(_fields(status) | keys)


def _fields(status: PipelineStatus) -> dict[str, Any]:
    pipeline = status.pipeline
    config = config_shown(pipeline)
    return {
        "name": pipeline.name,
        "when_busy": pipeline.when_busy,
        "data": pipeline.data.blob if pipeline.data else None,
        "schedule": config.get("schedule"),
        "endpoints": [endpoint.name for endpoint in pipeline.endpoints],
        "active_since": status.active_since,
        "last_due": status.last_due,
        "next_due": status.next_due,
        "waiting_data": status.waiting_data,
        "paused": status.pause,
        "resumed": status.pauses.resumed,
        "runs": status.runs,
        "unreadable": list(status.unreadable),
        "config": config,
    }


class PipelineList(ResponseModel):
    """All pipelines, by name; their keys are in the view of each."""

    pipelines: list[PipelineSummary]
    problems: list[str] = Field(
        description="What is wrong with the pipelines file, and what is used meanwhile."
    )


class MatchShown(ResponseModel):
    """A blob that matches a pipeline."""

    blob: str
    size: int
    modified: AwareDatetime
    tokens: dict[str, str]
    state: str


class RequestShown(ResponseModel):
    """The request that would be sent; its secrets are only marked."""

    method: str
    url: str
    body: dict[str, Any]


class PreviewShown(ResponseModel):
    """What the next run would be given."""

    matching: int
    matches: list[MatchShown]
    request: RequestShown | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, preview: Preview) -> "PreviewShown":
        """Return a preview as it is shown."""
        matches = [
            MatchShown(
                blob=match.blob.path,
                size=match.blob.size,
                modified=match.blob.modified,
                tokens=dict(match.tokens),
                state=match.state,
            )
            for match in preview.matches
        ]
        request = RequestShown.model_validate(preview.request) if preview.request else None
        return cls(matching=preview.matching, matches=matches, request=request, notes=preview.notes)
