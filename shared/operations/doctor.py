"""Doctor: tries everything that the app needs, and says of each thing whether it works.

Each line of the report is ok, wrong with the cause and the advice, or not checked with the
reason. Checks run side by side within a bounded time; the lines have a fixed order. Nothing that
matters is changed, nothing is left behind, and no line shows a secret.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shared.core.config.problems import Problem
from shared.core.counting import counted
from shared.core.findings import (
    CheckedLine,
    CheckOutcome,
    Finding,
    Findings,
    not_checked,
    ok,
    shown_name,
    wrong,
)
from shared.core.service import service
from shared.errors import ConfigError
from shared.execution.context import Context
from shared.intake.catalogue import Catalogue
from shared.operations.doctor_endpoints import PART as ENDPOINTS
from shared.operations.doctor_endpoints import (
    CheckedEndpoint,
    anchor_checks,
    by_key,
    check_of,
    configured,
    holdout_checks,
)
from shared.operations.doctor_events import (
    EVENTS,
    LEDGER,
    LEDGER_ADVICE,
    LEDGER_SETTING,
    TIMERS,
    event_checks,
    timer_checks,
)
from shared.operations.doctor_runner import Bounds, results_of
from shared.operations.health import HealthChecks
from shared.ports.checks import Check, ServiceChecks
from shared.telemetry import redacted

__all__ = ["Bounds", "Doctor", "Known"]

SETTINGS: Final = "settings"
_SERVICES: Final = "services"
_ADVICE: Final = "correct the setting or the file: see docs/settings.md and docs/configuration.md"
_HINTS: Final = 20  #: that are shown at most
#: The parts of a report, in order.
_ORDER: Final = (
    SETTINGS,
    "identity",
    "clock",
    "storage",
    EVENTS,
    _SERVICES,
    ENDPOINTS,
    TIMERS,
)
#: Called after each check, by any thread: the check, its finding, and how many checks there are.
Progress = Callable[[Check, Finding, int], None]


@service
class Known:
    """What the app knows once its settings can be used: records, pipelines and services."""

    context: Context
    catalogue: Catalogue
    health: HealthChecks
    services: ServiceChecks | None = None
    load: Callable[[], None] | None = None  #: reads the last good configurations


@service
class Doctor:
    """Tries what the app needs.

    Args:
        problems: returns what an operator must change in the settings and the pipelines file.
        hints: returns what an operator should know of them.
        storage: returns the checks of the storage.
        known: what the app knows; None where wrong settings keep it from being built.
        bounds: how long it may take.
    """

    problems: Callable[[], Iterable[Problem]]
    hints: Callable[[], Iterable[Problem]]
    storage: Callable[[], Sequence[Check]] = tuple
    known: Known | None = None
    bounds: Bounds = field(default_factory=Bounds)

    def report(self, progress: Progress = lambda _check, _finding, _count: None) -> Findings:
        """Try everything, and return a line for each check, in a fixed order.

        Args:
            progress: called after each check, by any thread.
        """
        tried = _Tried(self.bounds, progress)
        self._read_last_good()
        before = list(self._settings())
        tried.add([*self.storage(), *self._of_services()])
        endpoints = self._endpoints(tried.broken)
        checks = list(endpoints.checks)
        if self.known is not None:
            checks += event_checks(self.known.context)
            checks += holdout_checks(self.known.context, self.known.catalogue)
            checks += timer_checks(self.known.health)
        tried.add(checks)
        return Findings(tuple(sorted((*before, *tried.lines, *endpoints.lines), key=_place)))

    def _read_last_good(self) -> None:
        """Read what is used in place of pipelines with an error, in bounded time."""
        if self.known is not None and (load := self.known.load) is not None:
            check = Check(SETTINGS, "last good configurations", LEDGER, lambda: ok(f"{load()}"))
            results_of([check], Bounds(self.bounds.each, self.bounds.each))

    def _settings(self) -> Iterator[CheckedLine]:
        problems = list(self.problems())
        for problem in problems:
            yield _line(SETTINGS, problem.where, wrong(problem.what, problem.advice or _ADVICE))
        if not problems:
            text = "the settings and the pipelines file have no problem"
            yield _line(SETTINGS, "settings and pipelines file", ok(text))
        hints = list(self.hints())
        for hint in hints[:_HINTS]:
            what = f"{hint.what}: {hint.advice}" if hint.advice else hint.what
            yield _line(SETTINGS, hint.where, ok(f"hint: {what}"))
        if (more := len(hints) - _HINTS) > 0:
            text = f"{counted(more, 'more hint')}: see GET /api/health/details"
            yield _line(SETTINGS, "others", ok(text))
        if self.known is None:
            why = not_checked("correct the settings first: the app cannot be built")
            for part in (EVENTS, _SERVICES, ENDPOINTS, TIMERS):
                yield _line(part, "all", why)

    def _of_services(self) -> Iterator[Check]:
        if self.known is None or self.known.services is None:
            return
        services = self.known.services
        for name, pipeline in self.known.catalogue.pipelines.items():
            try:
                yield from services.training_checks(pipeline.training)
            except ConfigError as exc:
                yield _refused(_SERVICES, f"training of {name}", exc)

    def _endpoints(self, broken: Mapping[str, str]) -> "_Endpoints":
        """Return the checks of endpoints, as many as are checked at most.

        Args:
            broken: what does not work.
        """
        if self.known is None:
            return _Endpoints((), ())
        context, catalogue = self.known.context, self.known.catalogue
        known, lines = list(configured(catalogue)), list[CheckedLine]()
        most = self.bounds.endpoints
        if any(one.tokens for p in catalogue.pipelines.values() for one in p.endpoints):
            lines += self._add_by_key(self.known, known, most + 1, broken)
        if len(known) > most:
            text = (
                f"at most {counted(most, 'endpoint')} are checked at once: the hourly drift check"
            )
            lines.append(_line(ENDPOINTS, "others", not_checked(f"{text} looks at all of them")))
        checks = list[Check]()
        for one in known[:most]:
            besides = list(self._besides(one))
            needs = (LEDGER_SETTING, *(need for check in besides for need in check.needs))
            anchor = anchor_checks(context, catalogue, one)
            checks += (check_of(context, one, needs), *besides, *anchor)
        return _Endpoints(tuple(checks), tuple(lines))

    def _add_by_key(
        self, app: Known, known: list[CheckedEndpoint], most: int, broken: Mapping[str, str]
    ) -> Iterator[CheckedLine]:
        """Add the endpoints of keys; yield a line where they cannot be read in time."""
        more = list[CheckedEndpoint]()

        def read() -> Finding:
            more.extend(by_key(app.context, app.catalogue, max(most - len(known), 0)))
            return ok("read")

        needs = (LEDGER_SETTING,)
        check = Check(ENDPOINTS, "those of keys", LEDGER, read, LEDGER_ADVICE, needs=needs)
        bounds = Bounds(self.bounds.each, self.bounds.each)
        (found,) = results_of([check], bounds, broken=dict(broken))
        known += more
        if found.outcome is not CheckOutcome.OK:
            yield _line(check.part, check.name, found)

    def _besides(self, one: CheckedEndpoint) -> Iterator[Check]:
        if self.known is None or self.known.services is None:
            return
        try:
            yield from self.known.services.serving_checks(one.endpoint)
        except ConfigError as exc:
            yield _refused(ENDPOINTS, f"{one.name}: service", exc)


class _Tried:
    """The checks that were run so far, all within the same time.

    Args:
        bounds: how long all of them may take.
        progress: called after each check.
    """

    def __init__(self, bounds: Bounds, progress: Progress) -> None:
        self.lines: list[CheckedLine] = []
        self.broken: dict[str, str] = {}
        self._bounds, self._progress, self._count = bounds, progress, 0
        self._end = time.monotonic() + bounds.whole

    def add(self, checks: Iterable[Check]) -> None:
        """Run more checks; of those that are the same, one."""
        once = list({(one.part, one.name, one.service): one for one in checks}.values())
        names = Counter((one.part, one.name) for one in once)
        self._count += len(once)
        left = max(self._end - time.monotonic(), 1.0)
        found = results_of(
            once,
            replace(self._bounds, whole=left),
            lambda check, finding: self._progress(check, finding, self._count),
            self.broken,
        )
        for check, finding in zip(once, found, strict=True):
            several = names[check.part, check.name] > 1
            name = f"{check.name} ({check.service})" if several else check.name
            self.lines.append(_line(check.part, name, finding))


@dataclass(frozen=True, slots=True)
class _Endpoints:
    checks: tuple[Check, ...]
    lines: tuple[CheckedLine, ...]


def _refused(part: str, name: str, error: ConfigError) -> Check:
    """Return a check that fails: its part cannot be built, such as a service without settings."""

    def found() -> Finding:
        raise error

    return Check(part, name, "", found)


def _place(line: CheckedLine) -> int:
    return _ORDER.index(line.part)


def _line(part: str, name: str, finding: Finding) -> CheckedLine:
    return CheckedLine(part, shown_name(name, redacted), finding.within(redacted))
