"""Every secret, repeated at sites of every answer, is in no record, log line or answer.

`make prove` tries all sites; these tests try a part of them, with each kind of world.
"""

import json
from functools import cache

import pytest

from local.api_description import FILE
from tests.fakes.echoes import EchoSite
from tests.functions.echo_lives import KINDS, READS, EchoRun, life, sites_of

_EACH, _BARE = 3, 3


@cache
def unechoed(kind: str) -> EchoRun:
    """Return a run of a world of this kind in which nothing is repeated."""
    return life(kind, None)


@cache
def sampled(kind: str) -> list[EchoSite]:
    """Return some sites of a world of this kind: not at import, for each takes a whole run."""
    sites = sites_of(unechoed(kind))
    spread = sites[:: max(1, len(sites) // _EACH)][:_EACH]
    wanted = [one for one in sites if one.form in ("bare", "failed", "operation failed")]
    return [*spread, *wanted[:_BARE]]


@pytest.mark.parametrize("number", range(_EACH + _BARE))
@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_that_a_service_repeats_is_kept_shown_or_logged(kind: str, number: int) -> None:
    site = sampled(kind)[number]
    answer = life(kind, site)
    assert answer.http.echoed, site
    assert answer.leaks() == [], site
    assert answer.unexpected == [], site


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_repetition_each_world_comes_to_an_end_and_leaks_nothing(kind: str) -> None:
    answer = unechoed(kind)
    assert answer.leaks() == []
    assert "promoted" in answer.phases
    assert len(answer.http.sites) > 100


def test_every_operation_that_reads_is_asked_for_secrets() -> None:
    paths = json.loads(FILE.read_text(encoding="utf-8"))["paths"].values()
    listed = {methods["get"]["operationId"] for methods in paths if "get" in methods}
    assert set(READS) == listed
