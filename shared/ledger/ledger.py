"""The ledger: every record the app keeps, typed, over the `Documents` port.

Layout (one container, never the data container):

* `versions/<id>`   one entry for each data version ever seen, with the run that it opened
* `inbox/<pipeline>/<key>/<id>`   a data version that no run has taken yet
* `slots/<pipeline>/<key>`, `seats/<id>`   who may run, who waits, what was begun lately
* `pauses/<pipeline>`   whether a person wants nothing new to be begun, and the last resume
* `index/<time>-<run id>`   every run, the newest first
* `open/<run id>`   an empty marker while the run is open; its metadata are hints, never truth
* `runs/<run id>`   the record
* `tombstones/<run id>`   empty; outlives the record, so that no id is ever used twice
* `heads/<id>`      what serves at an endpoint, and who may change it now
* `watches/<id>`    when one place of an endpoint is proved again
* `pipelines/<name>`, `schedules/<name>`   first activation, last due time
* `configurations/<name>`   the last configuration of a pipeline that had no error
* `full_listing`, `full_listing_models`   how far the full listings are, and for which pipelines
  blobs are recorded
* `existing/<generation>/<number>-<digest>`, `existing_models/…`   digests of blobs that existed
  before a pipeline
* `poll`, `rotation`, `sweep`, `sweep_models`, `cleaning`   the last tick, whose due times are
  first, how far searching and cleaning are

A record that cannot be understood raises `CorruptRecordError` and is never overwritten.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.cleaning_round import CleaningRound
from shared.core.full_listing import Existing, FullListing
from shared.core.names import digest, inbox_prefix, index_name
from shared.core.run.concurrency import Pause, Pauses, RunQueue
from shared.core.run.record import Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.state import EndpointState
from shared.core.versions import order_of
from shared.errors import ConflictError, CorruptRecordError, RunIdUsedError, TransientError
from shared.ledger.old_records import OldRecords
from shared.ledger.records import (
    APPEARED,
    Activation,
    DueDriftCheck,
    Heartbeat,
    InboxEntry,
    KeptConfiguration,
    Marker,
    Rotation,
    ScheduleRecord,
    SearchState,
    Stored,
    Tick,
    VersionEntry,
)
from shared.ledger.store import Store, parsed, retried
from shared.ports.storage import Documents, ETag, Listed, Page
from shared.telemetry import log

#: The version of a record that does not exist yet.
NEW: Final = ETag("")
#: Metadata of a blob may hold 8 KB in all.
_LONGEST_HINT: Final = 4000
#: What tells new bytes from a metadata write, in a fingerprint.
_BYTES: Final = slice(1, 4)
#: Records of one page of a listing, where names alone matter.
_MOST_LISTED: Final = 5000
#: Hints of data versions: only known as older than its pipeline; found by the full listing.
_OLD: Final = "old"
_APPEARED: Final = "appeared"
#: When a record was written that cannot be read.
_UNKNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Ledger:
    """The records of the app. Each method is one document operation unless it says otherwise."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._store = Store(documents)

    def time(self) -> datetime:
        """Return what time the storage says it is. Raises TransientError."""
        return self._documents.time()

    # Runs

    def run(self, run_id: str) -> Stored[Run] | None:
        """Return the record of a run, or None."""
        return self._store.read(f"runs/{run_id}", Run)

    def has_run(self, run_id: str) -> bool:
        """Return whether there is a record of a run, readable or not."""
        return self._documents.read(f"runs/{run_id}") is not None

    def run_age(self, run_id: str) -> timedelta:
        """Return how old the record of a run is by the storage's clock, readable or not."""
        found = self._documents.read(f"runs/{run_id}")
        return found.age if found else timedelta()

    def create_run(self, run: Run) -> Stored[Run]:
        """Have a new run listed, then store it, then note that its id is used.

        Raises:
            Conflict: it exists.
            RunIdUsedError: it existed, and its record was removed.
        """
        name = f"runs/{run.run_id}"
        if self.is_used(run.run_id):
            if self._documents.read(name) is not None:
                raise ConflictError(f"{name} is there already")
            raise RunIdUsedError(
                f"run {run.run_id} existed and its record was removed: no run is opened"
            )
        self._list_run(run)
        stored = Stored(run, self._store.put(name, run, None))
        self.note_used(run.run_id)
        return stored

    def is_used(self, run_id: str) -> bool:
        """Return whether there is, or ever was, a record of a run."""
        return self._documents.read(f"tombstones/{run_id}") is not None

    def note_used(self, run_id: str) -> None:
        """Remember that there was a record of a run. Safe to repeat."""
        try:
            self._documents.create(f"tombstones/{run_id}", b"")
        except ConflictError:
            return

    def replace_run(self, run: Run, expected: ETag) -> Stored[Run]:
        """Store `run` over version `expected`. Raises Conflict when that is not the present one."""
        return Stored(run, self._store.put(f"runs/{run.run_id}", run, expected))

    # Markers of open runs

    def mark_open(self, run_id: str, hints: dict[str, str]) -> None:
        """Have the poll know of a run before its record exists. Safe to repeat.

        An old marker is written anew: a poll that is about to drop it must not succeed.
        """
        name = f"open/{run_id}"

        def attempt() -> None:
            found = self._documents.read(name)
            if found is None:
                self._documents.create(name, b"", hints)
            else:
                self._documents.replace(name, b"", found.etag, hints)

        retried(name, attempt)

    def is_marked(self, run_id: str) -> bool:
        """Return whether the poll knows of a run."""
        return self._documents.read(f"open/{run_id}") is not None

    def hinted_phase(self, run_id: str) -> str | None:
        """Return the phase that a run's marker hints at; None where it has no marker."""
        for listed in self._documents.listing(f"open/{run_id}"):
            if listed.name == f"open/{run_id}":
                return listed.metadata.get("phase", "")
        return None

    def hinted_phases(self, pipeline: str) -> dict[str, str]:
        """Return the phases that the markers of a pipeline's open runs hint at, in one listing."""
        listing = self._documents.listing(f"open/{pipeline}-")
        return {m.run_id: m.hints.get("phase", "") for m in map(_marker, listing)}

    def marked_runs(self, pipeline: str = "") -> list[Marker]:
        """Return the open runs, of all pipelines or of those whose name begins so."""
        prefix = f"open/{pipeline}-" if pipeline else "open/"
        return [_marker(listed) for listed in self._documents.listing(prefix)]

    def marked_for(self, run_id: str) -> timedelta:
        """Return how old the marker of a run is, by the storage's clock; zero without one."""
        found = self._documents.read(f"open/{run_id}")
        return found.age if found else timedelta()

    def hint(self, marker: Marker, hints: dict[str, str]) -> None:
        """Replace the hints of a marker, unless somebody else did or the run has ended."""
        try:
            self._documents.replace(f"open/{marker.run_id}", b"", marker.etag, hints)
        except ConflictError:
            return

    def open_runs(self) -> Iterator[Marker]:
        """Yield the open runs, by id."""
        for listed in self._documents.listing("open/"):
            yield _marker(listed)

    def open_page(self, size: int, cursor: str | None) -> Page[Marker]:
        """Return some of the open runs, by id, in one listing. Raises BadCursorError."""
        page = self._documents.page("open/", size, cursor)
        return Page(tuple(map(_marker, page.items)), page.cursor)

    def close(self, marker: Marker) -> None:
        """Drop the marker of a run whose record was read as ended."""
        try:
            self._documents.delete(f"open/{marker.run_id}", marker.etag)
        except ConflictError:
            return  # its hints were just renewed: the next tick drops it

    def unmark(self, run_id: str) -> bool:
        """Drop the marker of an ended run, in two operations; return whether there was one."""
        found = self._documents.read(f"open/{run_id}")
        if found is not None:
            self.close(Marker(run_id, found.etag, found.modified))
        return found is not None

    # The list of all runs

    def _list_run(self, run: Run) -> None:
        # Before the record, so that no run is without its line; a line without its run is hidden.
        hints = {"pipeline": run.pipeline, "key": digest("key", *run.key)}
        if run.parent is not None:
            hints["parent"] = run.parent
        try:
            self._documents.create(index_name(run.opened_at, run.run_id), b"", hints)
        except ConflictError:
            return

    def listed_runs(self, size: int, cursor: str | None) -> Page[Listed]:
        """Return names of runs, the newest first, in one listing. Raises BadCursorError."""
        return self._documents.page("index/", size, cursor)

    # Data that waits for its run

    def add_to_inbox(self, key: Sequence[str], version_id: str, entry: VersionEntry) -> bool:
        """Keep a data version until a run takes it; False when it is there already."""
        name = f"{inbox_prefix(entry.pipeline, key)}{version_id}"
        if entry.run_id is not None:  # given back: apart from an event that comes late
            name = f"{name}~{entry.run_id}"
        text = json.dumps(entry.blob.model_dump(mode="json"), separators=(",", ":"))
        hints = {"blob": text} if len(text) <= _LONGEST_HINT else {}
        hints |= {_APPEARED: "yes"} if entry.note == APPEARED else {}
        try:
            self._store.put(name, entry, None, hints)
        except ConflictError:
            return False
        return True

    def inbox(self, prefix: str = "inbox/") -> Iterator[InboxEntry]:
        """Yield the data versions that no run has taken yet; one read for each long name."""
        for listed in self._documents.listing(prefix):
            pipeline = listed.name.split("/")[1]
            blob = self._inbox_blob(listed)
            if blob is None:
                continue
            version_id, _, returned_by = listed.name.rpartition("/")[2].partition("~")
            appeared = _APPEARED in listed.metadata
            yield InboxEntry(pipeline, version_id, blob, listed, returned_by or None, appeared)

    def _inbox_blob(self, listed: Listed) -> BlobVersion | None:
        """Return the blob that waits; None when it was taken this moment or is not understood."""
        try:
            return BlobVersion.model_validate_json(listed.metadata.get("blob", ""))
        except ValueError:
            pass  # a long name, or a hint that is none: the record tells
        try:
            found = self._store.read(listed.name, VersionEntry)
        except CorruptRecordError as exc:
            log.error("%s", exc)  # the others go on
            return None
        return found.record.blob if found else None

    def inbox_size(self, pipeline: str, most: int) -> int:
        """Return how many data versions wait for a pipeline, up to `most`, in one listing."""
        return len(self._documents.page(f"inbox/{pipeline}/", most, None).items)

    def waited(self, arrived: InboxEntry) -> timedelta | None:
        """Return since when a data version waits, by the storage's clock; None once it is taken."""
        found = self._documents.read(arrived.pointer.name)
        return found.age if found else None

    def in_inbox(self, key: Sequence[str], pipeline: str, version_id: str) -> bool:
        """Return whether a data version waits for its run."""
        return self._documents.read(f"{inbox_prefix(pipeline, key)}{version_id}") is not None

    def waiting(self, key: Sequence[str], pipeline: str, version_id: str) -> VersionEntry | None:
        """Return what is kept of a data version that waits for its run, or None."""
        found = self._store.read(f"{inbox_prefix(pipeline, key)}{version_id}", VersionEntry)
        return found.record if found else None

    # Who may run

    def run_queue(self, name: str) -> Stored[RunQueue] | None:
        """Return the slot or seat of this name, or None."""
        return self._store.read(name, RunQueue)

    def run_queue_names(self, pipeline: str, size: int, cursor: str | None) -> Page[Listed]:
        """Return names of slots of a pipeline, in one listing. Raises BadCursorError."""
        return self._documents.page(f"run_queues/{pipeline}/", size, cursor)

    def listed_run_queues(self, pipeline: str) -> Iterator[Listed]:
        """Yield the slots of a pipeline, without their bodies, page by page."""
        return self._documents.listing(f"run_queues/{pipeline}/")

    def put_run_queue(self, name: str, run_queue: RunQueue, expected: ETag | None) -> None:
        """Store a slot, as new or over version `expected`. Raises Conflict."""
        self._store.put(name, run_queue, expected)

    def update_run_queue(
        self, name: str, change: Callable[[RunQueue | None], RunQueue | None]
    ) -> None:
        """Change a run queue, as `Store.update` does.

        Args:
            name: of its record.
            change: returns the next value, or None where there is nothing to change.

        Raises:
            ConflictError: it keeps changing.
        """
        self._store.update(name, RunQueue, change)

    def pause(self, pipeline: str) -> Pause | None:
        """Return why a person paused the pipeline, or None."""
        return self.pauses(pipeline).record.pause

    def pauses(self, pipeline: str) -> Stored[Pauses]:
        """Return what pauses the pipeline; nothing does where there is no record.

        A record that cannot be read is a pause too: who wanted what is not known, and to resume
        the pipeline replaces it.
        """
        name = f"pauses/{pipeline}"
        found = self._documents.read(name)
        if found is None:
            return Stored(Pauses(), NEW)
        try:
            return Stored(parsed(found, Pauses), found.etag, found.age)
        except CorruptRecordError as exc:
            log.error("%s", exc)
            pause = Pause(by="an unreadable record", at=_UNKNOWN, reason=name)
            return Stored(Pauses(pause=pause), found.etag, found.age)

    def put_pauses(self, pipeline: str, pauses: Pauses, expected: ETag) -> None:
        """Store what pauses the pipeline over the version that was looked at. Raises Conflict."""
        self._store.put(f"pauses/{pipeline}", pauses, None if expected == NEW else expected)

    def note_pause(self, pipeline: str, pause: Pause) -> None:
        """Have the record of the pipeline tell of a pause by failures. Raises Conflict."""

        def attempt() -> None:
            known = self.pauses(pipeline)
            if known.record.pause is None:  # that of an operator is shown instead
                self.put_pauses(pipeline, known.record.evolve(by_failures=pause), known.etag)

        retried(f"pauses/{pipeline}", attempt)

    # Data versions

    def version(self, version_id: str) -> VersionEntry | None:
        """Return the entry of a data version, or None when it is news."""
        found = self.version_stored(version_id)
        return found.record if found else None

    def version_stored(self, version_id: str) -> Stored[VersionEntry] | None:
        """Return the entry of a data version with its ETag, or None."""
        return self._store.read(f"versions/{version_id}", VersionEntry)

    def newest_version(self, blob_id: str, but: str = "") -> tuple[str, ...] | None:
        """Return the fingerprint of the newest known version of a blob, from one listing.

        Args:
            blob_id: the blob.
            but: the id of a version that does not count.
        """
        listing = self._documents.listing(f"versions/{blob_id}-")
        others = (item for item in listing if item.name != f"versions/{but}")
        known = [item.metadata.get("fingerprint", "").split("|") for item in others]
        newest = max(known, key=lambda parts: (parts[0], parts[_BYTES.stop :]), default=None)
        return tuple(newest) if newest else None

    def metadata_updated_since(
        self, blob_id: str, blob: BlobVersion, but: str = "", *, trust_size: bool = False
    ) -> str | None:
        """Return when these very bytes were written, where only their metadata changed since.

        Args:
            blob_id: under which the versions of the blob are kept.
            blob: its present version.
            but: the id of a version that does not count.
            trust_size: whether an equal size and creation time are enough without an MD5.
        """
        newest = self.newest_version(blob_id, but)
        same = newest is not None and newest[_BYTES] == fingerprint_of(blob)[_BYTES]
        known = blob.content_md5 is not None or trust_size
        return newest[0] if newest and same and known else None

    def add_version(self, version_id: str, entry: VersionEntry) -> bool:
        """Store the entry of a data version; False when it was known already."""
        try:
            self._store.put(f"versions/{version_id}", entry, None, _version_hints(entry))
        except ConflictError:
            return False
        return True

    def replace_version(self, version_id: str, entry: VersionEntry, expected: ETag) -> None:
        """Store the entry of a data version over the one that was read. Raises Conflict."""
        hints = _version_hints(entry)
        self._store.put(f"versions/{version_id}", entry, expected, hints)

    def version_ids(self, cursor: str | None) -> tuple[list[str], str | None]:
        """Return the ids of some data versions, and where the next ones begin, in one listing.

        Those that are only known as older than their pipeline are left out. Raises BadCursorError.
        """
        page = self._documents.page("versions/", _MOST_LISTED, cursor)
        ids = [one.name.partition("/")[2] for one in page.items if _OLD not in one.metadata]
        return ids, page.cursor

    def waiting_ids(self, cursor: str | None) -> tuple[list[str], str | None]:
        """Return the ids of some data versions that no run has taken yet, as `version_ids` does."""
        page = self._documents.page("inbox/", _MOST_LISTED, cursor)
        names = (one.name.rpartition("/")[2] for one in page.items)
        return [name.partition("~")[0] for name in names], page.cursor

    # Blobs that existed

    def full_listing(self, *, models: bool = False) -> Stored[FullListing] | None:
        """Return how far the full listing of the data is, or of models put by hand, or None."""
        return self._store.read(_full_listing(models=models), FullListing)

    def put_full_listing(
        self, state: FullListing, expected: ETag | None, *, models: bool = False
    ) -> ETag:
        """Store how far it is. Raises Conflict when another worker lists too."""
        return self._store.put(_full_listing(models=models), state, expected)

    def existing_names(
        self, cursor: str | None, *, models: bool = False
    ) -> tuple[list[str], str | None]:
        """Return names of records of existing blobs, and where the next ones begin."""
        page = self._documents.page(f"{_existing(models=models)}/", _MOST_LISTED, cursor)
        return [one.name for one in page.items], page.cursor

    def existing(self, name: str) -> Existing | None:
        """Return a record of existing blobs, or None. Raises CorruptRecordError."""
        found = self._store.read(name, Existing)
        if found is not None and not name.endswith(f"-{found.record.seal}"):
            raise CorruptRecordError(
                f"ledger record {name} does not hold what was stored; it was left untouched: move "
                "it away, and the next full listing records the existing blobs anew"
            )
        return found.record if found else None

    def add_existing(
        self, generation: int, number: int, record: Existing, *, models: bool = False
    ) -> None:
        """Store a record of existing blobs. Safe to repeat.

        Args:
            generation: that it belongs to.
            number: of the record in its generation; of two workers each may store one.
            record: what existed.
            models: whether it is of models put by hand.
        """
        try:
            name = f"{_existing(models=models)}/{generation}/{number:06d}-{record.seal}"
            self._store.put(name, record, None)
        except ConflictError:
            return  # it is named by what it holds

    # Heads

    def endpoint_state(self, endpoint_state_id: str) -> Stored[EndpointState] | None:
        """Return what is known of an endpoint, or None."""
        return self._store.read(f"endpoints/{endpoint_state_id}", EndpointState)

    def put_endpoint_state(
        self, endpoint_state_id: str, endpoint_state: EndpointState, expected: ETag | None
    ) -> Stored[EndpointState]:
        """Store a head, as new or over version `expected`. Raises Conflict."""
        return Stored(
            endpoint_state,
            self._store.put(f"endpoints/{endpoint_state_id}", endpoint_state, expected),
        )

    # Watches over endpoints

    def drift_checks(self) -> Iterator[DueDriftCheck]:
        """Yield each watch, and when it is due, without reading its record."""
        for listed in self._documents.listing("drift_checks/"):
            try:
                due = datetime.fromisoformat(listed.metadata.get("next_check", ""))
            except ValueError:
                due = listed.modified  # a hint is never truth: look
            yield DueDriftCheck(
                drift_check_id=listed.name.removeprefix("drift_checks/"),
                due=due if due.tzinfo else listed.modified,
                host=listed.metadata.get("host", ""),
                silent="silent" in listed.metadata,
            )

    def drift_check(self, drift_check_id: str) -> Stored[DriftCheck] | None:
        """Return when an endpoint is looked at next, and what was odd the last time."""
        return self._store.read(f"drift_checks/{drift_check_id}", DriftCheck)

    def put_drift_check(
        self, drift_check_id: str, drift_check: DriftCheck, expected: ETag | None
    ) -> None:
        """Store a watch, as new or over version `expected`. Raises Conflict."""
        name, hints = (
            f"drift_checks/{drift_check_id}",
            {"next_check": drift_check.next_check.isoformat()},
        )
        hints |= {"host": drift_check.host} if drift_check.host.isascii() else {}
        hints |= {"silent": "yes"} if drift_check.silent else {}
        self._store.put(name, drift_check, expected, hints)

    # Pipelines and time

    def activation(self, pipeline: str, candidate: datetime) -> datetime:
        """Return when a pipeline was first known.

        Two workers that start at once settle on the earlier time. Safe to repeat.

        Args:
            pipeline: its name.
            candidate: the time to keep if the pipeline is new, by the storage's clock.

        Raises:
            Conflict: the record keeps changing.
        """

        def earliest(known: Activation | None) -> Activation:
            known = known or Activation(activated_at=candidate)
            return known.evolve(activated_at=min(known.activated_at, candidate))

        stored = self._store.update(f"pipelines/{pipeline}", Activation, earliest)
        return stored.activated_at if stored else candidate

    def configurations(self) -> Iterator[Listed]:
        """Yield what is kept of each pipeline; metadata tell what changed, without a read."""
        return self._documents.listing("configurations/")

    def configuration(self, pipeline: str) -> Stored[KeptConfiguration] | None:
        """Return the last configuration of a pipeline that had no error, or None."""
        return self._store.read(f"configurations/{pipeline}", KeptConfiguration)

    def put_configuration(
        self, kept: KeptConfiguration, hints: dict[str, str], expected: ETag | None
    ) -> None:
        """Store a configuration, as new or over version `expected`. Raises Conflict."""
        self._store.put(f"configurations/{kept.pipeline.name}", kept, expected, hints)

    def last_due(self, pipeline: str) -> Stored[ScheduleRecord] | None:
        """Return the newest due time that was dealt with, or None."""
        return self._store.read(f"schedules/{pipeline}", ScheduleRecord)

    def put_due_times(self, pipeline: str, dues: ScheduleRecord, expected: ETag | None) -> None:
        """Store what was dealt with and what waits. Raises Conflict."""
        self._store.put(f"schedules/{pipeline}", dues, expected)

    def rotation(self) -> Stored[Rotation] | None:
        """Return which pipeline's due times are dealt with first, or None."""
        return self._store.read("rotation", Rotation)

    def put_rotation(self, first: str, expected: ETag | None) -> None:
        """Store which pipeline is first. Of two workers at once one wins, which is fine."""
        try:
            self._store.put("rotation", Rotation(first=first), expected)
        except ConflictError:
            return

    def sweep(self) -> Stored[SearchState] | None:
        """Return how far the search for lost events has got, or None."""
        return self._store.read("search", SearchState)

    def put_search(self, state: SearchState, expected: ETag | None) -> ETag:
        """Store how far it has got. Raises Conflict when another worker searches too."""
        return self._store.put("search", state, expected)

    def search_for_models(self) -> Stored[SearchState] | None:
        """Return how far the search for models that were put by hand has got, or None."""
        return self._store.read("search_models", SearchState)

    def put_search_for_models(self, state: SearchState, expected: ETag | None) -> ETag:
        """Store how far it has got. Raises Conflict when another worker searches too."""
        return self._store.put("search_models", state, expected)

    def activated(self, pipeline: str) -> Stored[Activation] | None:
        """Return since when a pipeline is known, or None."""
        return self._store.read(f"pipelines/{pipeline}", Activation)

    def put_activation(self, pipeline: str, record: Activation, expected: ETag) -> None:
        """Store that older blobs were taken. Raises Conflict."""
        self._store.put(f"pipelines/{pipeline}", record, expected)

    def heartbeat(self) -> Stored[Heartbeat] | None:
        """Return the last tick of the poll, or None."""
        return self._store.read("poll", Heartbeat)

    def put_heartbeat(self, beat: Heartbeat, expected: ETag | None) -> None:
        """Store the last tick. Of two pollers at once one wins, which is fine.

        A tick whose heartbeat cannot be stored has done its work all the same: that is logged.
        """
        try:
            self._store.put("poll", beat, expected)
        except ConflictError:
            return
        except TransientError as exc:
            log.warning("the last tick cannot be recorded now: %s", exc)

    def tick(self) -> Stored[Tick] | None:
        """Return a late tick of the timer for schedules, or None."""
        return self._store.read("tick", Tick)

    def put_tick(self, tick: Tick, expected: ETag | None) -> None:
        """Store that the timer for schedules runs. Raises Conflict."""
        self._store.put("tick", tick, expected)

    # Retention

    @property
    def old(self) -> OldRecords:
        """The same records for retention: as listings show them, understood or not."""
        return OldRecords(self._documents)

    def forget(self, document: Listed) -> None:
        """Delete a document unless it was changed since it was listed."""
        self.old.delete(document)

    def write_tombstone(self, run_id: str, run_queue: str) -> None:
        """Note that a run existed, before its record goes: its id is never given to another run.

        Args:
            run_id: the run.
            run_queue: the name of the slot that may still name it.
        """
        name, hints = f"tombstones/{run_id}", {"run_queue": run_queue}
        found = self._documents.read(name)
        try:
            if found is None:
                self._documents.create(name, b"", hints)
            else:  # written anew: from now on it is kept for as long as any trace of the run
                self._documents.replace(name, found.body, found.etag, hints)
        except ConflictError:
            return  # another worker buries it

    def cleaning(self) -> Stored[CleaningRound] | None:
        """Return how far the cleaning of old records is, or None."""
        return self._store.read("cleaning", CleaningRound)

    def put_cleaning(self, state: CleaningRound, expected: ETag | None) -> ETag:
        """Store how far it is. Raises Conflict when another worker cleans too."""
        return self._store.put("cleaning", state, expected)


def fingerprint_of(blob: BlobVersion) -> tuple[str, ...]:
    """Return what tells new bytes from a metadata write, between what tells the newest version."""
    modified, recorded, _, etag = order_of(blob)
    bytes_ = (blob.created.isoformat(), str(blob.size), blob.content_md5 or "")
    return (modified.isoformat(), *bytes_, recorded.isoformat(), etag)


def _full_listing(*, models: bool) -> str:
    return "full_listing_models" if models else "full_listing"


def _existing(*, models: bool) -> str:
    return "existing_models" if models else "existing"


def _version_hints(entry: VersionEntry) -> dict[str, str]:
    hints = {"fingerprint": "|".join(fingerprint_of(entry.blob))}
    return hints | ({_OLD: "yes"} if entry.is_old else {})


def _marker(listed: Listed) -> Marker:
    run_id = listed.name.removeprefix("open/")
    return Marker(run_id, listed.etag, listed.modified, dict(listed.metadata))
