"""Every secret, repeated at sites of every answer, is in no record, log line or answer.

All sites are tried by `make prove`; here every so many of each kind of world.
"""

import json

import pytest

from local.api_description import FILE
from tests.fakes.echoes import EchoSite
from tests.functions.echo_lives import KINDS, READS, life, ways

_EACH = 5


def sampled() -> list[tuple[str, EchoSite]]:
    found = []
    for kind in KINDS:
        sites = ways(kind)
        found += [(kind, site) for site in sites[:: max(1, len(sites) // _EACH)][:_EACH]]
        wanted = [one for one in sites if one.form in ("bare", "failed", "operation failed")]
        found += [(kind, site) for site in wanted[:3]]
    return found


@pytest.mark.parametrize(("kind", "site"), sampled(), ids=str)
def test_no_secret_that_a_service_repeats_is_kept_shown_or_logged(
    kind: str, site: EchoSite
) -> None:
    answer = life(kind, site)
    assert answer.http.echoed
    assert answer.leaks() == []
    assert answer.unexpected == []


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_repetition_each_world_comes_to_an_end_and_leaks_nothing(kind: str) -> None:
    answer = life(kind, None)
    assert answer.leaks() == []
    assert "promoted" in answer.phases
    assert len(answer.http.sites) > 100


def test_every_operation_that_reads_is_asked_for_secrets() -> None:
    paths = json.loads(FILE.read_text(encoding="utf-8"))["paths"].values()
    listed = {methods["get"]["operationId"] for methods in paths if "get" in methods}
    assert set(READS) == listed
