"""Answers about pipelines."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from functions.api_models.shared import (
    OpenRunShown,
    OperatorChangeShown,
    ResponseModel,
    WindowShown,
    config_shown,
)
from shared.core.config.due_times import PendingDueTime
from shared.core.config.schedule import Schedule, delay_of
from shared.core.config.schedule_words import (
    is_paused,
    moment,
    span_words,
    what_it_waits_for,
    window_lines,
    words_of,
)
from shared.core.config.windows import window_of
from shared.core.run.concurrency import RunQueue
from shared.operations.pipelines import PipelineStatus
from shared.operations.preview import Preview

#: The newest of the runs that began are shown.
_BEGUN_SHOWN = 10
#: Windows that are shown: the next ones, and those whose due time came.
_NEXT_SHOWN = 10
_PENDING_SHOWN = 20


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
        description="Why the budget allows no run of this key to begin now; left out if it does."
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


class NextWindowShown(WindowShown):
    """A window that is still to come."""

    begins: AwareDatetime | None = Field(
        description="When its run begins; left out while the schedule is paused: then none does."
    )


class PendingWindowShown(WindowShown):
    """A window whose due time came, and that is not done yet."""

    waits_for: str = Field(description="What must happen next.")
    next_check: AwareDatetime
    until: AwareDatetime = Field(description="When it stops waiting for data.")

    @classmethod
    def of_due_time(cls, pending: PendingDueTime, schedule: Schedule) -> "PendingWindowShown":
        """Return a due time as it is shown.

        Args:
            pending: the due time.
            schedule: of its pipeline.
        """
        window = pending.window or window_of(schedule, pending.at)
        return cls(
            start=window.start,
            end=window.end,
            due=window.due,
            waits_for=_pending_for(pending, schedule),
            next_check=pending.next_check,
            until=pending.until,
        )


class WindowsShown(ResponseModel):
    """The windows of a schedule."""

    next: list[NextWindowShown] = Field(
        description="The next ten; fewer where the active period ends, none once it is over."
    )
    passed: int = Field(
        description="Windows that passed and were not dealt with yet, as in a pause of the "
        "schedule; `catch_up` says which of them get a run. 100 stands for that many or more."
    )
    waiting: int = Field(description="Windows whose due time came, and that are not done yet.")
    pending: list[PendingWindowShown] = Field(description="Up to 20 of those that wait.")

    @classmethod
    def of(cls, status: PipelineStatus) -> "WindowsShown | None":
        """Return the windows of a pipeline as they are shown; None: it has no schedule."""
        schedule = status.pipeline.schedule
        if schedule is None:
            return None
        pending = status.pending[:_PENDING_SHOWN]
        following = window_lines(schedule, status.at, _NEXT_SHOWN)
        return cls(
            next=[NextWindowShown.model_validate(one) for one in following],
            passed=status.passed,
            waiting=len(status.pending),
            pending=[PendingWindowShown.of_due_time(one, schedule) for one in pending],
        )


def _schedule_waits_for(status: PipelineStatus, schedule: Schedule) -> str:
    """Return what must happen before the next run of a schedule; data comes before due times."""
    following = what_it_waits_for(schedule, status.at)
    if not status.pending or is_paused(schedule):
        return following
    first = PendingWindowShown.of_due_time(status.pending[0], schedule)
    which = f"the window {span_words(first.start, first.end)} waits"
    if (count := len(status.pending)) > 1:
        which = f"{count} windows wait; the first one, {span_words(first.start, first.end)},"
    return f"{which} for {first.waits_for}; then {following}"


def _pending_for(pending: PendingDueTime, schedule: Schedule) -> str:
    if is_paused(schedule):
        return "an operator: the schedule is paused, and nothing is checked meanwhile"
    check = f"the next check is {moment(pending.next_check)}"
    if pending.failing_since is not None or pending.failed:
        return f"the storage: a run could not be opened; {check}"
    if pending.after or pending.until <= pending.at + delay_of(schedule):
        return f"the next tick of the schedules, which opens what is left; {check}"
    return f"data that has no run yet; {check}, and the last one {moment(pending.until)}"


class PipelineSummary(ResponseModel):
    """The state of a pipeline, without its keys."""

    name: str
    when_busy: Literal["newest", "queue", "parallel"]
    data: str | None
    schedule: str | dict[str, Any] | None
    schedule_in_words: str | None = Field(
        description="How often it is due, when a run begins, the active period, and its pause."
    )
    schedule_waits_for: str | None = Field(
        description="What must happen before the schedule opens its next run."
    )
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
    windows: WindowsShown | None = Field(description="Left out: the pipeline has no schedule.")
    keys: list[RunQueueShown]
    next: str | None = Field(description="The cursor of the next page of keys.")

    @classmethod
    def of(cls, status: PipelineStatus) -> "PipelineShown":
        """Return a pipeline and its keys as they are shown."""
        keys = {
            "open_runs": status.open_runs,
            "windows": WindowsShown.of(status),
            "keys": [RunQueueShown.of(run_queue, status) for run_queue in status.run_queues],
            "next": status.keys.cursor,
        }
        return cls.model_validate(_fields(status) | keys)


def _fields(status: PipelineStatus) -> dict[str, Any]:
    pipeline = status.pipeline
    config, schedule = config_shown(pipeline), pipeline.schedule
    return {
        "name": pipeline.name,
        "when_busy": pipeline.when_busy,
        "data": pipeline.data.blob if pipeline.data else None,
        "schedule": config.get("schedule"),
        "schedule_in_words": words_of(schedule) if schedule else None,
        "schedule_waits_for": _schedule_waits_for(status, schedule) if schedule else None,
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

    window: WindowShown | None = Field(description="Left out: runs are of no window.")
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
        window = WindowShown.model_validate(preview.window) if preview.window else None
        return cls(
            window=window,
            matching=preview.matching,
            matches=matches,
            request=request,
            notes=preview.notes,
        )
