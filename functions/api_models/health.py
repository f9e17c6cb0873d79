"""Answers about the app itself."""

from pydantic import AwareDatetime, Field

from functions.api_models.shared import ResponseModel
from shared.core.full_listing import FullListing
from shared.operations.health import ProblemKind, Status


class _State(ResponseModel):
    status: Status
    version: str = Field(description="Of Relearn.")
    last_poll: AwareDatetime | None
    open_runs: int | None = Field(description="At the last poll.")
    parked_runs: int | None = Field(description="At the last poll.")


class Health(_State):
    """Whether the app can work: only counts and kinds, for anonymous callers."""

    problems: dict[ProblemKind, int] = Field(description="How many there are of each kind.")


class SearchShown(ResponseModel):
    """How far the search for data has come whose event was lost."""

    started_at: AwareDatetime
    completed_at: AwareDatetime | None
    complete: bool
    checked: int
    found: int


class LastEventShown(ResponseModel):
    """The last event of a blob below `.relearn/scratch/`, which tries the way of events."""

    at: AwareDatetime = Field(description="When it was recorded.")
    blob: str
    function: str = Field(description="The trigger that got it.")


class PoisonQueueShown(ResponseModel):
    """A queue of messages that could not be handled."""

    account: str
    name: str
    messages: int = Field(description="About how many it holds.")


class UndeliveredShown(ResponseModel):
    """What was given up, when that was last looked at: every five minutes at most."""

    at: AwareDatetime
    poison: tuple[PoisonQueueShown, ...] = Field(description="The poison queues that exist.")
    dead_letters: int | None = Field(
        description="How many blobs the dead-letter container holds, up to 5,000; null: there is "
        "no such container."
    )


class _ListingFromRecord(ResponseModel):
    started_at: AwareDatetime
    completed_at: AwareDatetime | None
    complete: bool
    listed: int
    found: int
    failed: int
    damaged: tuple[str, ...] = Field(description="Its records that are not understood.")


class FullListingShown(_ListingFromRecord):
    """When the last full listing ended, and how far the present one is."""

    recording_for: list[str] = Field(
        description="Pipelines for which it records what exists already."
    )

    @classmethod
    def of(cls, state: FullListing) -> "FullListingShown":
        """Return a full listing as it is shown."""
        fields = dict(_ListingFromRecord.model_validate(state))
        return cls(**fields, recording_for=sorted(state.joining))


class HealthDetails(_State):
    """Whether the app can work, with everything that an operator must know."""

    problems: list[str] = Field(description="Every problem, with its advice.")
    hints: list[str] = Field(description="Settings that have no effect, or another than expected.")
    last_search: SearchShown | None
    full_listing: FullListingShown | None = Field(
        description="The listing of data, which finds what appears with an old time."
    )
    full_listing_of_models: FullListingShown | None = Field(
        description="The same for models that operators uploaded."
    )
    last_event: LastEventShown | None
    undelivered: UndeliveredShown | None
    parked: list[str] = Field(description="A page of the runs that wait for an operator.")
    next: str | None = Field(description="The cursor of the next page.")
