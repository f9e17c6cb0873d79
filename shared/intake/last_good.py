"""Stores the last good configuration of each pipeline, and uses it while the file has an error.

Each pipeline without an error is stored in the ledger, once for each change. A pipeline with an
error uses its stored configuration, also after a restart. While the file as a whole cannot be
read, all pipelines do.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from shared.core import names
from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import PIPELINE_NAME, Pipeline
from shared.core.config.problems import Problem
from shared.core.config.schedule import same_boundaries
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    PipelineConfigError,
    RelearnError,
    TransientError,
)
from shared.execution.context import Context
from shared.intake.catalogue import ConfiguredPipelines
from shared.intake.last_good_notes import SHOWN, note_of, note_of_all
from shared.ledger.configurations import KeptConfiguration
from shared.ledger.store import retried
from shared.ports.storage import ETag, Listed
from shared.telemetry import log

#: How often a process checks the stored records: one with another file may change them.
_EVERY: Final = timedelta(minutes=10)
_PREFIX: Final = "configurations/"


class LastGood:
    """The last good configurations, as one process knows them. Safe for several threads.

    Args:
        context: the ledger, the storage and the clock.
        configuration: the content of the pipelines file.
        started_at: when this process began, by its own clock; a schedule that is new counts from
            then.
    """

    def __init__(
        self, context: Context, configuration: Configuration, started_at: datetime
    ) -> None:
        self._context = context
        self._file = configuration
        self._started_at = started_at
        self._lock = Lock()
        self.served: Final = ConfiguredPipelines(configuration.pipelines)
        #: In the order of the next read: an unreadable record does not delay the others.
        self._unread = [n for n in configuration.broken if re.fullmatch(PIPELINE_NAME, n)]
        self._unlisted = not configuration.readable
        self._keep_at: datetime | None = None  #: when to check the records again; None: at once
        self._since: dict[str, datetime | None] = {}  #: None: the record is not understood
        self._adopted: dict[str, KeptConfiguration] = {}
        self._damaged: set[str] = set()
        #: Since when a pipeline, or its schedule, is in a file that was changed meanwhile.
        self._new_since: dict[str, datetime] = {}

    @property
    def file(self) -> Configuration:
        """The content of the pipelines file when it was read last."""
        return self._file

    def take(self, configuration: Configuration, at: datetime) -> None:
        """Use a pipelines file that was changed while the app runs.

        Pipelines without an error are used at once. A pipeline with an error uses its last good
        configuration: the one in memory until the stored one is read. If the file cannot be
        read, all pipelines do.

        Args:
            configuration: the present content of the file.
            at: when it was changed, by the clock of this process; a new schedule counts from then.
        """
        with self._lock:
            served, broken = dict(self.served), configuration.broken
            for name, pipeline in configuration.pipelines.items():
                known = served.get(name)
                if known is None or not same_boundaries(known.schedule, pipeline.schedule):
                    self._since.pop(name, None)
                    self._new_since[name] = at
            stays = served if not configuration.readable else broken
            self._adopted = {n: one for n, one in self._adopted.items() if n in stays}
            self._damaged &= set(stays)
            unknown = [n for n in broken if n not in self._adopted and n not in self._damaged]
            self._unread = [n for n in unknown if re.fullmatch(PIPELINE_NAME, n)]
            self._unlisted = not configuration.readable
            self._file = configuration
            kept = {name: one for name, one in served.items() if name in stays}
            self.served.replace({**kept, **configuration.pipelines})
            self._keep_at = None

    def refresh(self) -> None:
        """Read the configurations of pipelines with an error, and store those of the others."""
        self.load()
        self.keep()

    # Pipelines with an error

    def load(self) -> None:
        """Read the last good configurations of pipelines with an error.

        Makes no call where there are none, or once they are read. Where the ledger does not
        work now, the next call continues. Nothing is written.
        """
        if not self._unread and not self._unlisted:
            return
        with self._lock:
            try:
                self._load()
            except RelearnError as exc:
                log.warning("the last good configurations cannot be read now: %s", exc)

    def _load(self) -> None:
        if self._unlisted:
            listed = self._context.ledger.configurations.listed()
            self._unread = [item.name.removeprefix(_PREFIX) for item in listed]
            self._unlisted = False
        for name in tuple(self._unread):
            try:
                self._adopt(name)
            except RelearnError:
                self._unread.append(self._unread.pop(0))
                raise
            self._unread.pop(0)

    def _adopt(self, name: str) -> None:
        try:
            stored = self._context.ledger.configurations.read(name)
        except CorruptRecordError as exc:
            log.error("pipeline %s: %s", name, exc)
            self._damaged.add(name)
            return
        kept = stored.record if stored else self._known_here(name)
        if kept is None:
            log.error("pipeline %s has an error and no earlier configuration", name)
            return
        if kept.pipeline.name != name:  # a copied record must not be used for another pipeline
            log.error("configurations/%s is of another pipeline: it was left untouched", name)
            self._damaged.add(name)
            return
        self._since[name] = kept.scheduled_since
        self._adopted[name] = kept
        self.served.adopt(kept.pipeline)
        at = kept.recorded_at.isoformat(timespec="seconds")
        log.warning("pipeline %s continues with its last good configuration, of %s", name, at)

    def _known_here(self, name: str) -> KeptConfiguration | None:
        """Return the configuration that this process used before the change and did not store."""
        pipeline, now = self.served.get(name), self._context.clock.now()
        if pipeline is None:
            return None
        since = self._since.get(name) or now
        return KeptConfiguration(pipeline=pipeline, recorded_at=now, scheduled_since=since)

    @property
    def incomplete(self) -> bool:
        """Whether the last good configuration of a pipeline with an error was not read yet."""
        return bool(self._unread) or self._unlisted

    @property
    def lacking(self) -> bool:
        """Whether a pipeline with an error may have no last good configuration."""
        return not self._file.readable or bool(self._file.broken.keys() - self.served.keys())

    def require(self, name: str) -> None:
        """Raise the reason why a pipeline is not in use; return where the file has none so named.

        Raises:
            TransientError: it has an error, and the ledger does not work now.
            PipelineConfigError: it has an error, and no last good configuration.
        """
        self.load()
        if name in self.served:
            return
        if name in self._unread or self._unlisted:
            raise TransientError(f"the last good configuration of {name} cannot be read now")
        if name in self._file.broken:
            raise PipelineConfigError(_listed(name, self._file.broken[name]))
        if not self._file.readable:
            raise PipelineConfigError(_listed(name, self._file.problems))

    def require_any(self) -> None:
        """Raise the reason why no pipeline is in use; return where some are, or without an error.

        Raises:
            TransientError: the file has errors, and the ledger does not work now.
            PipelineConfigError: the file has errors, and there is no earlier configuration.
        """
        self.load()
        if self.served or not self._file.problems:
            return
        if self.incomplete:
            raise TransientError("the last good configurations cannot be read now: ask again")
        listed = "; ".join(map(str, self._file.problems[:SHOWN]))
        left = len(self._file.problems) - SHOWN
        more = f"; and {left} more: GET /api/health/details lists them all" if left > 0 else ""
        raise PipelineConfigError(
            f"no pipeline can be used: the pipelines file has errors, and no earlier configuration "
            f"is stored to continue with. Correct it: {listed}{more}"
        )

    def problems(self) -> list[str]:
        """Return the errors of the file, and what each pipeline with an error uses instead."""
        if not self._file.problems:
            return []
        return [str(one) for one in (*self._file.problems, *self.notes())]

    def notes(self) -> tuple[Problem, ...]:
        """Return, for health, what each pipeline with an error uses instead."""
        if not self._file.readable:
            return (note_of_all(sorted(self._adopted), incomplete=self.incomplete),)
        return tuple(
            note_of(
                name,
                self._adopted.get(name),
                damaged=name in self._damaged,
                unread=name in self._unread,
            )
            for name in self._file.broken
        )

    # Pipelines without an error

    def keep(self) -> None:
        """Store changed pipelines without an error, and delete those no longer in the file.

        Makes one listing every ten minutes. While two versions of the file are in use, each
        takes the other's pipelines for removed; the version that stays corrects this. The next
        call stores what could not be stored now.
        """
        now = self._context.clock.now()
        if self._keep_at is not None and self._keep_at - _EVERY <= now < self._keep_at:
            return
        with self._lock:
            try:
                if self._kept():
                    self._keep_at = now + _EVERY
            except RelearnError as exc:
                log.warning("the configurations cannot be stored now: %s", exc)

    def _kept(self) -> bool:
        """Whether everything is stored as it should be."""
        listed = {
            item.name.removeprefix(_PREFIX): item
            for item in self._context.ledger.configurations.listed()
        }
        done = True
        for name, pipeline in self._file.pipelines.items():
            try:
                self._keep(pipeline, listed.get(name))
            except CorruptRecordError as exc:
                log.error("pipeline %s: %s", name, exc)  # the file is used
                self._since[name] = None
            except RelearnError as exc:
                log.warning("the configuration of %s cannot be stored now: %s", name, exc)
                done = False
        for name, kept in self._adopted.items():
            if name not in listed:  # a process with another file took it for removed
                with suppress(ConflictError):  # another worker stored it
                    self._put(kept, _digest(kept.pipeline), None)
        return self._forget(listed) and done

    def _keep(self, pipeline: Pipeline, listed: Listed | None) -> None:
        digest = _digest(pipeline)
        since = _since(listed, digest)
        if since is None:
            name = f"configurations/{pipeline.name}"
            since = retried(name, lambda: self._stored_since(pipeline, digest))
        self._since[pipeline.name] = since

    def _stored_since(self, pipeline: Pipeline, digest: str) -> datetime:
        """Store a configuration that is not stored yet; return since when it has its schedule."""
        stored = self._context.ledger.configurations.read(pipeline.name)
        if stored is not None and _digest(stored.record.pipeline) == digest:
            return stored.record.scheduled_since
        now = self._context.clock.now()
        known = stored.record.pipeline.schedule if stored else None
        if stored is not None and same_boundaries(known, pipeline.schedule):
            since = stored.record.scheduled_since
        else:
            new_since = self._new_since.get(pipeline.name, self._started_at)
            started = min(now, self._context.storage_time(new_since))
            since = self._since.get(pipeline.name) or started
        # Known from now on, even if it cannot be stored.
        self._since[pipeline.name] = since
        kept = KeptConfiguration(pipeline=pipeline, recorded_at=now, scheduled_since=since)
        self._put(kept, digest, stored.etag if stored else None)
        return since

    def _put(self, kept: KeptConfiguration, digest: str, expected: ETag | None) -> None:
        hints = {"digest": digest, "since": kept.scheduled_since.isoformat()}
        self._context.ledger.configurations.put(kept, hints, expected)

    def _forget(self, listed: Mapping[str, Listed]) -> bool:
        if not self._file.readable:
            return True
        for name, item in listed.items():
            if name in self._file.pipelines or name in self._file.broken:
                continue
            try:
                self._context.ledger.configurations.read(name)
                self._context.ledger.configurations.delete(item)
            except CorruptRecordError as exc:
                log.error("pipeline %s is not in the file any more: %s", name, exc)
                continue
            except RelearnError as exc:
                log.warning("the configuration of %s is not deleted yet: %s", name, exc)
                return False
            log.info("pipeline %s is not in the file any more", name)
        return True

    def scheduled_since(self, pipeline: str) -> datetime | None:
        """Return since when a pipeline has its schedule; None where no record says so.

        Raises:
            TransientError: the ledger does not work now.
        """
        if pipeline not in self._since:
            raise TransientError(f"the configuration of {pipeline} was not stored yet")
        return self._since[pipeline]


def _digest(pipeline: Pipeline) -> str:
    return names.digest("configuration", pipeline.model_dump_json())


def _since(listed: Listed | None, digest: str) -> datetime | None:
    """Return since when the schedule exists, where the metadata say that nothing changed."""
    if listed is None or listed.metadata.get("digest") != digest:
        return None
    try:
        since = datetime.fromisoformat(listed.metadata.get("since", ""))
    except ValueError:
        return None
    return since if since.tzinfo else None


def _listed(name: str, problems: tuple[Problem, ...]) -> str:
    listed = "; ".join(map(str, problems))
    return f"pipeline {name} has an error and no earlier configuration to continue with: {listed}"
