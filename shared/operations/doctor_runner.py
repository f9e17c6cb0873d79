"""Runs checks side by side, each for a bounded time; a check that hangs delays no other.

The bulkheads of the poll sort the work (`shared.execution.bulkheads`): a service that does not
answer gets one check at a time, and none after two. Each check has a thread of its own, which
is abandoned when its time is over: a thread cannot be ended, and its own time-outs end it.

What a check needs is tried first. Where that does not work, the check is not begun: an operator
reads of the cause once, and not of everything that follows from it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.core.findings import Finding, not_checked, of_error, wrong
from shared.errors import RelearnError
from shared.execution.bulkheads import Bulkheads, host_of
from shared.ports.checks import Check
from shared.telemetry import log

#: Checks at one host that may hang before it is skipped.
_MOST_HANGING: Final = 2
_FIRST: Final = "correct what the line of {name} says first"
_NO_TIME: Final = "the time for all checks was over before this one began: run doctor again"
_LEFT_ALONE: Final = "{service} did not answer other checks: correct those first"
_HANGS: Final = (
    "see that {service} can be reached from where this runs: its firewall, the virtual network "
    "and the DNS zones of private endpoints; then run doctor again"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long doctor may take, and how much it does."""

    whole: float = 180.0  #: in seconds; with the work before, under 200 s
    each: float = 30.0  #: in seconds, for one check
    endpoints: int = 50  #: how many are checked at most


@dataclass
class _Trial:
    """One check that runs, has run, or was abandoned."""

    check: Check
    finding: Finding | None = None
    hangs: bool = False


def results_of(
    checks: Sequence[Check],
    bounds: Bounds,
    done: Callable[[Check, Finding], None] = lambda _check, _finding: None,
    broken: dict[str, str] | None = None,
) -> list[Finding]:
    """Return what each check found, in the order of the checks.

    Args:
        checks: are run side by side, after those that they need.
        bounds: for how long.
        done: called after each check, by any thread.
        broken: what does not work, and the name of its line; more is added.

    Returns:
        A finding for each check; `not checked` for one that had no time, or needs what is broken.
    """
    end = time.monotonic() + bounds.whole
    last_begin = end - min(bounds.each, bounds.whole / 2)
    broken = {} if broken is None else broken
    found, waiting = dict[int, Finding](), dict(enumerate(checks))
    while waiting:
        given = {check.gives for check in waiting.values()}
        ready = {n: check for n, check in waiting.items() if not given & {*check.needs}} or waiting
        tried = [n for n, check in ready.items() if not broken.keys() & {*check.needs}]
        several = [ready[n] for n in tried]
        found |= zip(tried, _side_by_side(several, bounds.each, end, last_begin, done), strict=True)
        for n, check in ready.items():
            if n not in found:
                need = next(broken[one] for one in check.needs if one in broken)
                found[n] = not_checked(_FIRST.format(name=need))
                done(check, found[n])
            if check.gives and found[n].hinders:
                named = check.name.startswith(check.gives)
                broken[check.gives] = check.gives if named else check.name
        waiting = {n: check for n, check in waiting.items() if n not in ready}
    return [found[n] for n in range(len(checks))]


def _side_by_side(
    checks: Sequence[Check],
    each: float,
    end: float,
    last_begin: float,
    done: Callable[[Check, Finding], None],
) -> list[Finding]:
    trials = [_Trial(check) for check in checks]

    def run(trial: _Trial) -> bool:
        if _silent(trial, trials):
            return False
        trial.finding = _tried(trial, min(each, end - time.monotonic()))
        done(trial.check, trial.finding)
        return not trial.hangs

    Bulkheads(
        trials,
        lambda trial: trial.check.service,
        run,
        lambda: time.monotonic() < last_begin,
        group_of=host_of,
    ).run()
    return [trial.finding or _left(trial, trials) for trial in trials]


def _tried(trial: _Trial, seconds: float) -> Finding:
    """Run a check in a thread of its own, and return what it finds in time."""
    found: list[Finding] = []
    thread = threading.Thread(target=lambda: found.append(_found(trial.check)), daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    if found:
        return found[0]
    trial.hangs = True
    service = host_of(trial.check.service) or "what is called"
    return wrong(f"no answer within {seconds:.0f} s", _HANGS.format(service=service))


def _found(check: Check) -> Finding:
    try:
        return check.run()
    except RelearnError as exc:
        return of_error(exc, check.advice)
    except Exception as exc:  # noqa: BLE001 -- one check never ends the others
        log.exception("doctor: the check %s failed unexpectedly", check.name)
        kind = type(exc).__name__
        return wrong(f"the check itself failed ({kind})", "the log has more: report it as a fault")


def _left(trial: _Trial, trials: Sequence[_Trial]) -> Finding:
    """Return why a check was not begun."""
    silent = _silent(trial, trials)
    service = host_of(trial.check.service)
    return not_checked(_LEFT_ALONE.format(service=service) if silent else _NO_TIME)


def _silent(trial: _Trial, trials: Sequence[_Trial]) -> bool:
    """Whether other checks at the same host had no answer, so that it is skipped."""
    host = host_of(trial.check.service)
    silent = sum(one.hangs and host_of(one.check.service) == host for one in trials)
    return bool(host) and silent >= _MOST_HANGING
