"""The checks of events and timers: what was given up, the last test of their way, and the ticks."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from shared.core.counting import counted
from shared.core.findings import Finding, not_checked, ok, wrong
from shared.execution.context import Context
from shared.maintenance.undelivered import UndeliveredEvents
from shared.operations.health import HealthChecks, HealthReport
from shared.ports.checks import Check

EVENTS: Final = "events"
TIMERS: Final = "timers"
LEDGER: Final = "ledger"
LEDGER_CURE: Final = "correct what the line of LEDGER_CONTAINER says first"
_POISON_CURE: Final = (
    "look at one (az storage message peek), find its error among the failures of the function, "
    "correct the cause, and empty the queue (az storage message clear)"
)
_DEAD_LETTER_CURE: Final = (
    "read deadLetterReason and lastDeliveryOutcome in the newest blob, correct the event "
    "subscription or the roles of its identity, and delete the blobs"
)
_TIMER_CURE: Final = (
    "see that the function is not disabled and the app is running, and restart the app"
)


def event_checks(context: Context) -> Iterator[Check]:
    """Yield the checks of events that were given up, and of the way that they come."""
    service = context.events.dead_letters.base_location
    given_up = partial(_given_up, context)
    yield Check(EVENTS, "given up: poison queues and dead letters", service, given_up)
    yield Check(EVENTS, "last test of their way", LEDGER, partial(_last, context), LEDGER_CURE)


def timer_checks(health: HealthChecks) -> Iterator[Check]:
    """Yield the check of both timers."""
    name = "poll_jobs and start_scheduled_runs"
    yield Check(TIMERS, name, LEDGER, partial(_timers, health), LEDGER_CURE)


def _given_up(context: Context) -> Finding:
    seen = UndeliveredEvents(context).seen(context.clock.now())
    poison = [
        f"queue {one.name} of {one.account} holds {counted(one.messages, 'message')}"
        for one in seen.poison
        if one.messages
    ]
    letters = seen.dead_letters or 0
    events = context.events
    if poison:
        more = f"; {counted(letters, 'dead letter')}" if letters else ""
        return wrong(f"{'; '.join(poison)}{more}", _POISON_CURE)
    if letters:
        text = f"container {events.dead_letter_container} holds {counted(letters, 'dead letter')}"
        return wrong(text, _DEAD_LETTER_CURE)
    empty = f"{counted(len(seen.poison), 'poison queue')} and nothing in it"
    queues = empty if seen.poison else "no poison queue"
    place = "no dead letter" if seen.dead_letters is not None else "no container of dead letters"
    return ok(f"{queues}; {place}")


def _last(context: Context) -> Finding:
    stored = context.ledger.last_event.read()
    if stored is None:
        return not_checked(
            "no test of events has come yet: the deployment sends one, and so does a blob below "
            ".relearn/scratch/ in the container of training data"
        )
    event = stored.record
    at = event.at.isoformat(timespec="seconds")
    return ok(f"{event.function} got the event of {event.blob} at {at}")


def _timers(health: HealthChecks) -> Finding:
    report = HealthReport()
    health.timers(report)
    late = [text for _, text in report.problems]
    if late:
        return wrong("; ".join(late), _TIMER_CURE)
    if report.heartbeat is None:
        return ok("no poll yet, and none is late")
    return ok(f"the last poll was at {report.heartbeat.at.isoformat(timespec='seconds')}")
