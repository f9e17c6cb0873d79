"""Decides which old records are deleted, kind by kind, each in a bounded number of calls.

A record stays while an endpoint state names it, while it says what serves at a configured
endpoint, while its blob is still there, and where it is not understood. The records of a pipeline
that is not in the file stay until the pipeline has been missing for as long as records are kept.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.full_listing import FullListing
from shared.core.run.cleaning_round import EVERY as _EVERY
from shared.core.run.cleaning_round import CleaningRound, Updates
from shared.core.run.record import Run
from shared.core.serving.state import EndpointState
from shared.core.versions import are_one, version_id
from shared.errors import ConflictError, CorruptRecordError, PermanentError
from shared.execution.context import Context
from shared.ledger.store import Stored
from shared.ledger.versions import VersionEntry
from shared.ports.storage import Listed

#: Runs of one run queue that are read; a longer queue stays.
_LONGEST_QUEUE: Final = 20
#: Metadata of an endpoint state whose endpoint was in no file when it was last checked.
_APART: Final = "apart_since"
#: Endpoint states that one call remembers.
_ENDPOINT_STATES: Final = 1000


@dataclass(frozen=True, slots=True)
class _Names:
    """The runs that an endpoint state names; all of its text, where it is not understood."""

    runs: frozenset[str] = frozenset()
    text: bytes = b""

    def __contains__(self, run_id: str) -> bool:
        return run_id in self.runs or run_id.encode() in self.text


@dataclass(slots=True)
class RetentionRules:
    """The rules of one call of retention.

    Args:
        context: what retention reads and writes.
        configured: the names of the pipelines in the file.
        updates: the update URLs of their endpoints.
        sure: whether the file has no error: a file with an error may lack existing pipelines.
        round_: the present round.
    """

    context: Context
    configured: frozenset[str]
    updates: Updates
    sure: bool
    round_: CleaningRound
    missing: dict[str, datetime] = field(init=False)
    waiting: dict[str, int] = field(init=False)
    _endpoint_states: dict[str, _Names] = field(default_factory=dict)
    _containers: dict[str, bool] = field(default_factory=dict)
    _listings: dict[str, FullListing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Continue with the results of earlier calls."""
        self.missing, self.waiting = dict(self.round_.missing), dict(self.round_.waiting)

    def concerns(self, kind: str, item: Listed) -> bool:
        """Whether a record is checked in this round.

        Args:
            kind: of the record: the first part of its name.
            item: the record as it was listed.
        """
        keep = self.context.limits.keep
        if kind in ("pipelines", "inbox"):
            return True
        if kind == "pauses":
            return self._is_gone(_part(item.name))
        if kind in ("existing", "existing_models"):
            return item.modified < self.round_.started_at - _EVERY
        if kind == "drift_checks":  # written at each check, so their age says nothing
            return self.round_.since is None
        return self.round_.concerns(item.modified, 2 * keep if kind == "tombstones" else keep)

    def delete_if_old(self, kind: str, item: Listed) -> bool:
        """Delete a record that is needed no more. Safe to repeat.

        Args:
            kind: of the record: the first part of its name.
            item: the record as it was listed.

        Returns:
            Whether it was deleted.

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now.
            PermanentError: it is not understood or cannot be read; it stays.
        """
        rules: Mapping[str, Callable[[Listed], bool]] = {
            "pipelines": self._note_pipeline,
            "runs": self._is_over,
            "index": self._has_no_run,
            "open": self._never_opens,
            "versions": self._is_no_version,
            "inbox": self._is_abandoned_data,
            "pauses": lambda _: True,
            "run_queues": self._is_idle,
            "shared_queues": self._is_idle,
            "drift_checks": self._checks_nothing,
            "endpoints": self._is_unused_endpoint,
            "existing": self._is_of_no_generation,
            "existing_models": self._is_of_no_generation,
            "tombstones": self._is_last_trace,
        }
        return rules[kind](item) and self.context.ledger.old.delete(item)

    def _is_gone(self, pipeline: str) -> bool:
        """Whether a pipeline has not been in the file for as long as records are kept."""
        if not self.sure or pipeline in self.configured:
            return False
        since = self.missing.setdefault(pipeline, self.round_.started_at)
        return since <= self.round_.started_at - self.context.limits.keep

    def _note_pipeline(self, item: Listed) -> bool:
        pipeline = _part(item.name)
        if pipeline in self.configured:
            self.missing.pop(pipeline, None)
        else:
            self._is_gone(pipeline)
        return False

    # Runs, and the records that name them

    def _is_over(self, item: Listed) -> bool:
        run_id = item.name.removeprefix("runs/")
        stored = self.context.ledger.runs.read(run_id)
        if stored is None or not stored.record.phase.ended or self._is_needed(stored.record):
            return False
        run_queue = names.run_queue_id(stored.record.pipeline, stored.record.key)
        self.context.ledger.tombstones.renew(run_id, run_queue)
        return True

    def _is_needed(self, run: Run) -> bool:
        """Whether an endpoint state names an ended run, or an open roll-out does.

        Only the states of its own endpoints name a run. The run of a roll-out is needed as long as
        one of its deliveries has a record.
        """
        if run.parent is not None and self._is_open(run.parent):
            return True
        if run.deliveries:
            return any(self._has_record(one.run_id) for one in run.deliveries)
        ids = {endpoint.ref.id for endpoint in run.config.endpoints}
        return any(run.run_id in self._named_by(one) for one in sorted(ids))

    def _named_by(self, endpoint_state: str) -> _Names:
        if endpoint_state not in self._endpoint_states:
            if len(self._endpoint_states) >= _ENDPOINT_STATES:
                self._endpoint_states.clear()
            self._endpoint_states[endpoint_state] = self._names_of(endpoint_state)
        return self._endpoint_states[endpoint_state]

    def _names_of(self, endpoint_state: str) -> _Names:
        try:
            stored = self.context.ledger.endpoint_states.read(endpoint_state)
        except CorruptRecordError:
            found = self.context.ledger.old.raw(f"endpoints/{endpoint_state}")
            return _Names(text=found.body) if found else _Names()
        return _Names(frozenset(_runs_of(stored.record))) if stored else _Names()

    def _has_record(self, run_id: str) -> bool:
        return self.context.ledger.old.exists(f"runs/{run_id}")

    def _is_open(self, run_id: str) -> bool:
        """Whether a run is open; one whose record is not understood may be."""
        try:
            stored = self.context.ledger.runs.read(run_id)
        except CorruptRecordError:
            return True
        return stored is not None and not stored.record.phase.ended

    def _has_no_run(self, item: Listed) -> bool:
        return not self._has_record(item.name.partition("-")[2])

    def _never_opens(self, item: Listed) -> bool:
        """Whether a marker is of a run that was deleted, or that no pipeline opens any more."""
        run_id = item.name.removeprefix("open/")
        if self._has_record(run_id):
            return False
        return self.context.ledger.tombstones.has(run_id) or self._is_gone(
            run_id.rpartition("-")[0]
        )

    def _is_last_trace(self, item: Listed) -> bool:
        run_id, run_queue = item.name.removeprefix("tombstones/"), item.metadata.get("run_queue")
        if not run_queue or self._has_record(run_id):
            return False  # without that, an operator removed the record, not retention
        found = self.context.ledger.old.raw(run_queue)
        return found is None or run_id.encode() not in found.body

    # Data versions

    def _is_no_version(self, item: Listed) -> bool:
        """Whether a data version can never arrive again; else its entry is written anew."""
        version = item.name.removeprefix("versions/")
        stored = self.context.ledger.versions.read(version)
        if stored is None:
            return False
        entry = stored.record
        present = self.context.look_up(entry.blob)
        if present is None:
            self._require_container(entry.blob)
            return True
        if present.etag != entry.blob.etag and not self._is_its_only_trace(entry, present):
            return True
        self._renew(version, stored)
        return False

    def _require_container(self, blob: BlobVersion) -> None:
        # A container that is gone now may be restored with its blobs.
        where = blob.container
        if where not in self._containers:
            manual_model = where == self.context.models_container
            account = self.context.models if manual_model else self.context.data
            self._containers[where] = account.exists(where)
        if not self._containers[where]:
            raise PermanentError(f"container {where} does not exist now")

    def _is_its_only_trace(self, entry: VersionEntry, present: BlobVersion) -> bool:
        """Whether only metadata changed since, and that was not seen yet."""
        # If that is not known, the entry stays: without it the version could train again.
        if not present.same_bytes_as(entry.blob, trust_size=True):
            return False
        if are_one(present, entry.blob):
            return True
        touched = version_id(entry.pipeline, present)
        return not self.context.ledger.old.exists(f"versions/{touched}")

    def _renew(self, version: str, stored: Stored[VersionEntry]) -> None:
        """Write an entry anew, so that it stays for as long again."""
        entry = stored.record
        run_id = entry.run_id
        ledger = self.context.ledger
        if run_id is not None and not self._has_record(run_id) and ledger.tombstones.has(run_id):
            entry = entry.without_run()  # one that never had a record may still be opened
        try:
            self.context.ledger.versions.put(version, entry, stored.etag)
        except ConflictError:
            return  # another run has just taken it

    def _is_abandoned_data(self, item: Listed) -> bool:
        pipeline = _part(item.name)
        if pipeline in self.configured or not self.sure:
            return False
        if self._is_gone(pipeline) and item.modified < self._before:
            return True
        self.waiting[pipeline] = self.waiting.get(pipeline, 0) + 1
        return False

    @property
    def _before(self) -> datetime:
        return self.round_.started_at - self.context.limits.keep

    # Run queues and endpoints

    def _is_idle(self, item: Listed) -> bool:
        """Whether no run began here for so long, and no pause waits for a resume."""
        stored = self.context.ledger.run_queues.read(item.name)
        if stored is None:
            return False
        run_queue = stored.record
        if run_queue.paused is not None and not self._is_gone(run_queue.pipeline):
            pauses = self.context.ledger.pauses.read(run_queue.pipeline).record
            if pauses.of_failures(run_queue) is not None:
                return False
        runs = run_queue.run_ids
        return len(runs) <= _LONGEST_QUEUE and not any(map(self._is_open, runs))

    def _is_unused_endpoint(self, item: Listed) -> bool:
        """Whether an endpoint is in no file, was in none so long ago, and was not updated since.

        The first time its state is only marked. That is a write, so the state is checked again
        when it is as old again. Each update of the endpoint removes the mark.
        """
        stored = self.context.ledger.endpoint_states.read(item.name.removeprefix("endpoints/"))
        if not self.sure or stored is None:
            return False
        marked = _APART in item.metadata
        if stored.record.ref.name in self.updates:
            if marked:
                self.context.ledger.old.mark(item, {})
            return False
        left = stored.record.endpoint_lease
        if left is not None and self._is_open(left.run_id):
            return False
        if not marked:
            self.context.ledger.old.mark(item, {_APART: self.round_.started_at.isoformat()})
        return marked

    def _is_of_no_generation(self, item: Listed) -> bool:
        """Whether no pipeline needs a record of existing blobs any more."""
        kind = item.name.partition("/")[0]
        if kind not in self._listings:
            stored = self.context.ledger.full_listings(models=kind != "existing").read()
            if stored is None:
                return False  # its record may be restored
            self._listings[kind] = stored.record
        generation = _part(item.name)
        if not generation.isdecimal() or self._listings[kind].needs(int(generation)):
            return False
        return (
            self.context.ledger.full_listings().existing(item.name) is not None
        )  # raises: it is not understood

    def _checks_nothing(self, item: Listed) -> bool:
        stored = self.context.ledger.drift_checks.read(item.name.removeprefix("drift_checks/"))
        if stored is None:
            return False
        drift_check = stored.record
        if self._is_gone(drift_check.pipeline) and drift_check.ref.name not in self.updates:
            return True
        endpoint_state = self.context.ledger.endpoint_states.read(drift_check.ref.id)
        return (
            endpoint_state is None
            or endpoint_state.record.resource(drift_check.resource).serving is None
        )


def _part(name: str) -> str:
    """Return the pipeline that a record is of: the second part of its name."""
    return name.split("/")[1]


def _runs_of(endpoint_state: EndpointState) -> Iterator[str]:
    if endpoint_state.endpoint_lease:
        yield endpoint_state.endpoint_lease.run_id
    yield from (one.run_id for one in endpoint_state.staged)
    for resource in endpoint_state.resources.values():
        if resource.held:
            yield resource.held.run_id
        for served in resource.pinnable:
            yield from filter(None, (served.run_id, served.set_by, served.trained_by))
