"""HTTP: says whether the app can work, and what an operator must change if not."""

from collections.abc import Iterable
from typing import Any

import azure.functions as func

from functions.api_models.health import (
    FullListingShown,
    Health,
    HealthDetails,
    LastEventShown,
    SearchShown,
    UndeliveredShown,
)
from functions.api_models.requests import HealthQuery
from functions.methods import EVERY, only
from functions.process import app_or_problems
from functions.requests import query_of
from functions.responses import ok
from shared.app import Unusable
from shared.config.settings import Problem
from shared.core.full_listing import FullListing
from shared.operations.health import HealthReport
from shared.version import VERSION

bp = func.Blueprint()


@bp.function_name("health")
@bp.route(route="health", methods=EVERY, auth_level=func.AuthLevel.ANONYMOUS)
@only("GET")
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return 200 while runs can be opened and advanced, otherwise 503: counts and kinds, no names.

    `GET /api/health/details` lists the problems and the parked runs.
    """
    # This route is anonymous, so it reads two records, lists nothing and writes nothing.
    del req
    built = app_or_problems()
    if isinstance(built, Unusable):
        report = _report(built.problems)
    else:
        built.check_file(read_only=True)
        report = _report(built.found)
        built.health.summary(report)
    return ok(Health(**_state(report), problems=report.counts), _http_status(report))


@bp.function_name("health_details")
@bp.route(route="health/details", methods=EVERY)
@only("GET", HealthQuery)
def health_details(req: func.HttpRequest) -> func.HttpResponse:
    """Return what `health` does, with every problem and, a page at a time, every parked run."""
    asked = query_of(req, HealthQuery)
    built = app_or_problems()
    if isinstance(built, Unusable):
        report = _report(built.problems)
    else:
        built.check_file()
        report = _report(built.problems)
        built.health.details(report, asked.limit, asked.cursor)
    shown = HealthDetails(
        **_state(report),
        problems=[text for _, text in report.problems],
        hints=[str(hint) for hint in built.hints],
        last_search=SearchShown.model_validate(report.search) if report.search else None,
        full_listing=_listing(report.full_listing),
        full_listing_of_models=_listing(report.full_listing_of_models),
        last_event=LastEventShown.model_validate(report.last_event) if report.last_event else None,
        undelivered=(
            UndeliveredShown.model_validate(report.undelivered) if report.undelivered else None
        ),
        parked=list(report.parked.run_ids),
        next=report.parked.cursor,
    )
    return ok(shown, _http_status(report))


def _report(problems: Iterable[Problem]) -> HealthReport:
    return HealthReport([("configuration", str(problem)) for problem in problems])


def _listing(found: FullListing | None) -> FullListingShown | None:
    return FullListingShown.of(found) if found else None


def _http_status(report: HealthReport) -> int:
    return 503 if report.problems else 200


def _state(report: HealthReport) -> dict[str, Any]:
    """Return the fields of both answers."""
    poll = report.heartbeat
    return {
        "status": report.status,
        "version": VERSION,
        "last_poll": poll.at if poll else None,
        "open_runs": poll.open if poll else None,
        "parked_runs": poll.parked if poll else None,
    }
