"""The checks of events and timers: what was given up, the last event of a scratch blob, ticks."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from shared.core.counting import counted
from shared.core.findings import Finding, not_checked, ok, wrong
from shared.execution.context import Context
from shared.maintenance.undelivered import UndeliveredEvents
from shared.operations.health import HealthChecks, HealthReport
from shared.ports.checks import Check
from shared.ports.storage import Queues

EVENTS: Final = "events"
TIMERS: Final = "timers"
LEDGER: Final = "ledger"
LEDGER_SETTING: Final = "LEDGER_CONTAINER"
LEDGER_ADVICE: Final = f"correct what the line of {LEDGER_SETTING} says first"
_QUEUE_ADVICE: Final = (
    "give the app's identity the role Storage Queue Data Contributor on that storage account, or "
    "correct its connection string"
)
_LETTERS_ADVICE: Final = "correct what the line of DEAD_LETTER_CONTAINER says first"
_POISON_ADVICE: Final = (
    "look at one (az storage message peek), find its error among the failures of the function, "
    "correct the cause, and empty the queue (az storage message clear)"
)
_DEAD_LETTER_ADVICE: Final = (
    "read deadLetterReason and lastDeliveryOutcome in the newest blob, correct the event "
    "subscription or the roles of its identity, and delete the blobs"
)
_TIMER_ADVICE: Final = (
    "see that the function is not disabled and the app is running, and restart the app"
)


def event_checks(context: Context) -> Iterator[Check]:
    """Yield the checks of events that were given up, and of the way that they come."""
    given_up = UndeliveredEvents(context)
    for (account, name), queues in given_up.poison_queues().items():
        count = partial(_poison, queues, name)
        needs = _needs_of(context, account)
        yield Check(
            EVENTS, f"queue {name} of {account}", account, count, _QUEUE_ADVICE, needs=needs
        )
    letters, container = context.events.dead_letters, context.events.dead_letter_container
    name = f"container {container} of {letters.account}"
    yield Check(
        EVENTS,
        name,
        letters.account,
        partial(_dead_letters, given_up),
        _LETTERS_ADVICE,
        needs=("DEAD_LETTER_CONTAINER",),
    )
    yield Check(
        EVENTS,
        "last event of a scratch blob",
        LEDGER,
        partial(_last, context),
        LEDGER_ADVICE,
        needs=(LEDGER_SETTING,),
    )


def timer_checks(health: HealthChecks) -> Iterator[Check]:
    """Yield the check of both timers."""
    name = "poll_jobs and start_scheduled_runs"
    yield Check(
        TIMERS, name, LEDGER, partial(_timers, health), LEDGER_ADVICE, needs=(LEDGER_SETTING,)
    )


def _needs_of(context: Context, account: str) -> tuple[str, ...]:
    """Return what is tried first in an account, so that its own line says what is wrong there."""
    if account == context.queues.account:
        return ("STORAGE_EVENTS_QUEUE",)
    if account == context.data.account:
        return ("TRAINING_DATA_CONTAINER",)
    return ("MODELS_CONTAINER",)


def _poison(queues: Queues, name: str) -> Finding:
    messages = queues.count(name)
    if messages is None:
        return ok("there is no such queue, so nothing was given up")
    if messages:
        return wrong(
            f"it holds {counted(messages, 'message')}, which were given up", _POISON_ADVICE
        )
    return ok("it is empty: nothing was given up")


def _dead_letters(given_up: UndeliveredEvents) -> Finding:
    letters = given_up.dead_letters()
    if letters is None:
        return not_checked("there is no such container, so no event that was given up is kept")
    if letters:
        text = f"it holds {counted(letters, 'event')} that Event Grid gave up"
        return wrong(text, _DEAD_LETTER_ADVICE)
    return ok("it is empty: Event Grid gave no event up")


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
        return wrong("; ".join(late), _TIMER_ADVICE)
    if report.heartbeat is None:
        return ok("no poll yet, and none is late")
    return ok(f"the last poll was at {report.heartbeat.at.isoformat(timespec='seconds')}")
