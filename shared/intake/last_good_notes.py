"""Writes the notes in health on pipelines that use their last good configuration."""

from collections.abc import Sequence
from typing import Final

from shared.core.config.problems import Problem
from shared.ledger.configurations import KeptConfiguration

#: Pipelines that one line names.
SHOWN: Final = 20
_UNREAD: Final = "they are in LEDGER_CONTAINER: see whether that can be read"


def note_of(name: str, kept: KeptConfiguration | None, *, damaged: bool, unread: bool) -> Problem:
    """Return the note on one pipeline with an error.

    Args:
        name: of the pipeline.
        kept: its last good configuration, where that is in use.
        damaged: whether the record of it is not understood.
        unread: whether it was not read yet.
    """
    where = f"pipelines.{name[: SHOWN * 2]}"
    if kept is not None:
        shown = kept.recorded_at.isoformat(timespec="seconds")
        return Problem(where, f"continues with its last good configuration, of {shown}")
    if damaged:
        advice = "deploy the version that wrote it, or correct the pipeline"
        return Problem(where, "its last good configuration is not understood: no runs", advice)
    if unread:
        return Problem(where, "its last good configuration was not read yet", _UNREAD)
    return Problem(where, "has no earlier configuration, and opens no runs until corrected")


def note_of_all(known: Sequence[str], *, incomplete: bool) -> Problem:
    """Return the note on all pipelines of a file that cannot be read.

    Args:
        known: the pipelines whose last good configuration is in use.
        incomplete: whether some were not read yet.
    """
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    if incomplete:
        return Problem("pipelines", "the last good configurations were not all read yet", _UNREAD)
    if not known:
        return Problem("pipelines", "there is no earlier configuration: no runs are opened")
    shown = ", ".join(known[:SHOWN]) + more
    return Problem("pipelines", f"continue with their last good configuration: {shown}")
