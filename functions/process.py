"""The app of this worker process: built once, on first use."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import azure.functions as func

from shared import tracing
from shared.app import App, Unusable, of_settings
from shared.errors import ConfigError
from shared.telemetry import Alert, LogRateLimit, log, redacted_errors, report

#: When this worker started: older data is not eligible for a pipeline that is first seen by it.
STARTED_AT: Final = datetime.now(UTC)
#: A search begins every 15 minutes, and leaves data younger than five minutes to its events.
_LATER: Final = (
    "it will be found within 25 minutes of that; where its pipeline never was active before, start "
    "a run on it (POST /api/pipelines/{pipeline}/runs)"
)
_UNUSABLE_LOGGED: Final = LogRateLimit(timedelta(minutes=10))
#: The first invocations may come at the same time, and OpenTelemetry must be set up only once.
_BUILDING: Final = threading.RLock()


def app() -> App:
    """Return this process's app.

    Raises:
        ConfigError: settings without which nothing works are wrong; it lists them all.
    """
    built = app_or_problems()
    if isinstance(built, Unusable):
        listed = "\n".join(f"- {problem}" for problem in built.problems)
        raise ConfigError(f"these settings must be corrected first:\n{listed}")
    built.check_file()
    return built


def usable_app(what: str, *, of_blob: bool = False) -> App | None:
    """Return this process's app for a trigger; None where wrong settings keep it from working.

    A trigger must not fail for that: its failures would be repeated, logged with tracebacks, and
    taken for those of a blob. A skipped trigger is logged; its work is done after the restart with
    correct settings.

    Args:
        what: the trigger, or its blob, for the log.
        of_blob: whether it is about a blob: then each is logged, otherwise now and then.
    """
    built = app_or_problems()
    if not isinstance(built, Unusable):
        built.check_file()
        return built
    first, more = built.problems[0], len(built.problems) - 1
    wrong = f"{first}{f'; and {more} more' if more else ''}"
    text = (
        f"{what}: nothing is done, since a setting is wrong: {wrong}. To do: correct what GET "
        "/api/health/details lists, and restart"
    )
    if of_blob:  # there may be thousands; the timers raise the alert
        log.error("%s; %s", text, _LATER)
    elif _UNUSABLE_LOGGED.allows(what):
        report(Alert.HEALTH, text)
    return None


class NoContext(func.Context):
    """Stands for the context of an invocation where a function is called without a host."""

    invocation_id = function_name = function_directory = ""
    thread_local_storage: Any = threading.local()
    trace_context: Any = None
    retry_context: Any = None


NO_CONTEXT: Final = NoContext()


@contextmanager
def invocation(context: func.Context) -> Iterator[None]:
    """Run a function: its spans are below the host's, and its errors reach it without secrets.

    The worker attaches the trace context of an invocation to its event loop, and not to the thread
    that a function runs in (azure-functions §5).
    """
    app_or_problems()  # the first invocation switches spans on
    given: Any = context.trace_context
    parent: str = given.trace_parent or "" if given else ""
    with redacted_errors(), tracing.within(parent, context.function_name):
        yield


_handed_in: list[App | Unusable] = []


def app_or_problems() -> App | Unusable:
    """Return this process's app, or what is wrong with its settings; never raises."""
    if _handed_in:
        return _handed_in[-1]
    with _BUILDING:
        return _of_this_process()


@contextmanager
def handed_in(built: App | Unusable) -> Iterator[None]:
    """Make every trigger use this app meanwhile, instead of the one of the app settings."""
    _handed_in.append(built)
    try:
        yield
    finally:
        _handed_in.remove(built)


@cache
def _of_this_process() -> App | Unusable:
    # The SDK logs two records of many lines for each call to the storage, and the host sends
    # everything from INFO on to Application Insights (azure-functions §5).
    logging.getLogger("azure").setLevel(logging.WARNING)
    # It warns of each credential that it tries, in twelve lines; the app says what failed in one.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    built = of_settings(os.environ, STARTED_AT)
    if isinstance(built, App):
        built.begin()
    if isinstance(built, Unusable):  # else the poll raises the alerts
        for problem in built.found:
            report(Alert.HEALTH, f"wrong setting: {problem}")
    for hint in built.hints:
        log.warning("hint: %s", hint)
    return built
