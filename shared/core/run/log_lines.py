"""The form of log lines that queries read: `[RL1001 parked] run=… pipeline=… key=… phase=…: text`.

Every such line begins with the same five parts, so that one `parse` reads them all. A value holds
neither blanks nor `=`, `:` or `"`: it is percent-encoded, and `url_decode` gives it back. `-` says
that a part does not apply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self
from urllib.parse import quote

from shared.core.config.kinds import Endpoint
from shared.core.run.record import Origin, Phase, Run, RunHistoryEntry

#: What stands for a value that there is none of.
NONE: Final = "-"
#: Stays as it is: redacted values are shown as `***`.
_PLAIN: Final = "*"
#: What a line of the app may not begin with, unless it is made here.
MARK: Final = "[RL"


def value_text(value: str | None) -> str:
    """Return a value as one word that no other value has; `-` where there is none."""
    if value in (None, ""):
        return NONE
    text = quote(str(value), safe=f"/{_PLAIN}", errors="surrogatepass")
    return "%2D" if text == NONE else text


def key_text(key: Sequence[str]) -> str:
    """Return a key as one word: its parts, percent-encoded, joined by slashes."""
    if not any(key) and len(key) <= 1:
        return NONE
    text = "/".join(quote(part, safe=_PLAIN, errors="surrogatepass") for part in key)
    return "%2D" if text == NONE else text


@dataclass(frozen=True, slots=True)
class Subject:
    """The run, or the pipeline and key, that a line is about; a part that is empty is `-`."""

    run_id: str = ""
    pipeline: str = ""
    key: tuple[str, ...] = ()
    phase: str = ""

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the subject of a line about a run."""
        return cls(run.run_id, run.pipeline, run.key, run.phase.value)

    def beginning(self, event_id: str, name: str) -> str:
        """Return the beginning of a line, up to its text.

        Args:
            event_id: such as `RL1001`.
            name: such as `parked`.
        """
        run_id, pipeline, phase = map(value_text, (self.run_id, self.pipeline, self.phase))
        key = key_text(self.key)
        return f"[{event_id} {name}] run={run_id} pipeline={pipeline} key={key} phase={phase}: "


def members(values: Mapping[str, str | None]) -> str:
    """Return the text of a line that holds only values, such as `from=created origin=data`."""
    return " ".join(f"{name}={value_text(value)}" for name, value in values.items())


def phase_members(run: Run) -> dict[str, str | None]:
    """Return what the line about the phase of a run says besides the phase.

    Returns:
        The names and values. Times are in seconds; those that do not apply are None.
    """
    phases, endpoint = _phases(run), run.config.endpoint
    now, before = phases[-1], phases[-2] if len(phases) > 1 else None
    return {
        "from": before.phase if before else None,
        "origin": run.origin,
        "attempt": str(run.attempt),
        "endpoint": endpoint.name if endpoint else None,
        "data_age": _seconds(data_age(run)),
        "open_for": _seconds(now.at - run.opened_at),
        "lasted": _seconds(now.at - before.at) if before else None,
    }


def served_members(run: Run, endpoint: Endpoint) -> dict[str, str | None]:
    """Return what the line about a promoted model says.

    Args:
        run: that promoted it.
        endpoint: where it serves now.
    """
    state, repeats = run.target_model, run.origin.repeats
    return {
        "endpoint": endpoint.name,
        "model": state.model.name if state.model else None,
        "origin": run.origin,
        "data_time": None if repeats else run.data_time.isoformat(timespec="seconds"),
        "at": endpoint.ref.id,
    }


def data_age(run: Run) -> timedelta | None:
    """Return how old a run's newest data was when its phase began; None: it has no data."""
    without = run.origin.repeats or run.origin is Origin.MODEL
    if without or not (run.manifest or run.as_of):
        return None
    return max(_phases(run)[-1].at - run.data_time, timedelta())


def serves_now(run: Run) -> Endpoint | None:
    """Return the endpoint that a run has promoted its model to; None: it has not."""
    return run.config.endpoint if run.phase is Phase.PROMOTED else None


def _phases(run: Run) -> list[RunHistoryEntry]:
    """Return when each phase of a run began, the present one last; never empty."""
    phases: list[RunHistoryEntry] = []
    for entry in run.history:
        if not phases or entry.phase is not phases[-1].phase:
            phases.append(entry)
    return phases or [RunHistoryEntry(at=run.opened_at, phase=run.phase)]


def _seconds(span: timedelta | None) -> str | None:
    return None if span is None else str(round(span.total_seconds()))
