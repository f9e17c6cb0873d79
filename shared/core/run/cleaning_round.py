"""Cleaning rounds: when one is due, how far it is, and which records it checks.

A round goes through the kinds of records one after the other. Its progress is a record, so a
round may take any number of calls.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import AwareDatetime, Field

from shared.core.config.pattern import tokens_of
from shared.core.frozen import RecordModel

#: In this order: a run is deleted before its index entry, its marker and the entries of its data.
KINDS: Final = (
    "pipelines",
    "runs",
    "index",
    "open",
    "versions",
    "inbox",
    "pauses",
    "run_queues",
    "shared_queues",
    "drift_checks",
    "endpoints",
    "existing",
    "existing_models",
    "tombstones",
)
#: The next round begins this long after the last one was completed.
EVERY: Final = timedelta(days=1)
#: Old records that had to stay are checked again this often; until then each only once.
ALL_EVERY: Final = timedelta(days=30)
#: Where two clocks differ a record is checked twice rather than never.
_MARGIN: Final = timedelta(days=1)
_SHOWN: Final = 5


class CleaningRound(RecordModel):
    """One round: how far it is, and what is known from the rounds before."""

    started_at: AwareDatetime
    since: AwareDatetime | None = None
    """An earlier round checked the old records that were written before; None: none did."""
    all_at: AwareDatetime  #: when the last round began that checks all old records
    kind: str = KINDS[0]
    cursor: str | None = None  #: the page of this kind where it continues; None: the first one
    checked_to: str = ""  #: the last record of that page that was checked; empty: none was
    completed_at: AwareDatetime | None = None
    deleted: int = 0
    unclear: int = 0  #: old records that stayed: not understood, or not readable now
    shown: tuple[str, ...] = ()  #: some of them
    missing: dict[str, AwareDatetime] = Field(default_factory=dict)
    """Pipelines that are not in the file, and since when that is known."""
    waiting: dict[str, int] = Field(default_factory=dict)
    """Data versions that wait for such pipelines."""

    def concerns(self, modified: datetime, keep: timedelta) -> bool:
        """Whether a record is older than `keep`, and no earlier round checked it.

        Args:
            modified: when it was written, by the storage's clock.
            keep: how long it is kept at least.
        """
        if modified >= self.started_at - keep:
            return False
        return self.since is None or modified >= self.since - keep

    def after_page(self, cursor: str | None, now: datetime) -> "CleaningRound":
        """Return the round after a page.

        Args:
            cursor: of the next page; None: this was the last one of its kind.
            now: the present moment.
        """
        if cursor is not None:
            return self.evolve(cursor=cursor, checked_to="")
        left = KINDS[KINDS.index(self.kind) + 1 :] if self.kind in KINDS else ()
        if not left:
            return self.evolve(cursor=None, checked_to="", completed_at=now)
        return self.evolve(kind=left[0], cursor=None, checked_to="")


def next_round(known: CleaningRound | None, now: datetime) -> CleaningRound | None:
    """Return the round to continue or to begin; None while none is due.

    Args:
        known: the round under way, or the last one; None: there was none.
        now: the present moment.
    """
    if known is None:
        return CleaningRound(started_at=now, all_at=now)
    if known.completed_at is None:
        return known
    # Where the clock of a host was ahead, the next round must not wait for that time.
    ahead = known.completed_at > now + _MARGIN
    if now - known.completed_at < EVERY and not ahead:
        return None
    every = ahead or now - known.all_at >= ALL_EVERY
    return CleaningRound(
        started_at=now,
        since=None if every else known.started_at - _MARGIN,
        all_at=now if every else known.all_at,
        missing=known.missing,
    )


def shown(names: Iterable[str]) -> tuple[str, ...]:
    """Return as many of `names` as a round remembers, each once."""
    return tuple(dict.fromkeys(names))[:_SHOWN]


class Updates:
    """The update URLs of the configured endpoints, to know those that belong to none.

    Hosts do not count, nor does case: to keep a record for too long is harmless.
    """

    def __init__(self, updates: Iterable[str]) -> None:
        """Take the URLs as they are configured, with their `{tokens}`."""
        texts = list(updates)
        self._plain = set(map(_path, texts))
        chosen = {_pattern(text) for text in texts if tokens_of(text)}
        self._chosen = [re.compile(text) for text in sorted(chosen)]

    def __contains__(self, update: str) -> bool:
        """Whether `update` is, or may be, the URL of a configured endpoint."""
        path = _path(update)
        return path in self._plain or any(one.fullmatch(path) for one in self._chosen)


def _path(update: str) -> str:
    return unquote(urlsplit(update).path).rstrip("/").lower()


def _pattern(update: str) -> str:
    text = _path(update)
    for token in tokens_of(text):
        text = text.replace(f"{{{token}}}", "\0")
    return ".+".join(re.escape(part) for part in text.split("\0"))
