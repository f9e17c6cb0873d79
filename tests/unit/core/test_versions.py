"""The order of data versions is total, however many share a Last-Modified."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.blobs import BlobVersion
from shared.core.run.promoted_models import Verified, promoted
from shared.core.run.record import Phase
from shared.core.serving.state import EndpointState, is_superseded
from shared.core.versions import (
    are_one,
    is_older,
    mark_of,
    newest_first,
    newest_of,
    tie_of,
    tied_with,
)
from tests.unit.samples import HOUR, NOW, blob, ref, run

MICROSECOND = timedelta(microseconds=1)


SECOND = timedelta(seconds=1)


RESOURCE = "Sample [trained model]"


def version_of(
    name: str, etag: int, second: int, recorded: int | None, md5: str | None
) -> BlobVersion:
    return blob(
        f"{name}.csv",
        etag=f"0x{etag}",
        modified=NOW + second * SECOND,
        recorded_at=None if recorded is None else NOW + recorded * MICROSECOND,
        content_md5=md5,
    )


versions = st.builds(
    version_of,
    st.sampled_from("abc"),
    st.integers(0, 3),
    st.integers(0, 1),
    st.none() | st.integers(0, 2),
    st.none(),
)


#: Each version once: a ledger knows one time at which it was recorded.
several = st.lists(versions, min_size=1, max_size=8, unique_by=lambda b: (b.name, b.etag))


@given(several)
def test_the_order_is_total_and_does_not_depend_on_how_versions_come(
    found: list[BlobVersion],
) -> None:
    for one in found:
        for other in found:
            older, newer = is_older(one, other), is_older(other, one)
            assert older + newer + are_one(one, other) == 1
    ordered = newest_first(found)
    assert ordered == newest_first(reversed(found))
    assert ordered[0] == newest_of(found)
    for next_one, before in pairwise(ordered):
        assert is_older(before, next_one)
        assert before.modified <= next_one.modified


@given(several)
def test_the_newest_stays_after_promotions_in_any_order(found: list[BlobVersion]) -> None:
    endpoint_state = EndpointState(ref=ref("https://x"))
    for number, version in enumerate(found):
        one = run(Phase.VERIFYING, run_id=f"sample-{number}", manifest=(version,))
        if not is_superseded(endpoint_state.resource(RESOURCE), one.data_time, one.newest):
            endpoint_state = promoted(endpoint_state, one, RESOURCE, Verified("it answers", NOW))
    serving = endpoint_state.resource(RESOURCE).serving
    assert serving is not None
    assert serving.manifest == (newest_of(found),)
    burst = run(Phase.TRAINING, manifest=tuple(found))
    assert burst.newest == newest_of(found)


TIE: dict[str, Any] = {"modified": NOW, "content_md5": None}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (blob("z.csv", recorded_at=NOW + HOUR, **TIE), blob("a.csv", modified=NOW + SECOND)),
        (
            blob("z.csv", recorded_at=NOW, **TIE),
            blob("a.csv", recorded_at=NOW + MICROSECOND, **TIE),
        ),
        (blob("z.csv", recorded_at=NOW, **TIE), blob("a.csv", **TIE)),
        (
            blob("a.csv", recorded_at=NOW, etag="0x2", **TIE),
            blob("b.csv", recorded_at=NOW, etag="0x1", **TIE),
        ),
        (blob(etag="0x1", **TIE), blob(etag="0x2", **TIE)),
    ],
    ids=["Last-Modified", "first recorded", "not recorded yet", "name", "ETag"],
)
def test_each_tie_is_broken_by_what_comes_next(older: BlobVersion, newer: BlobVersion) -> None:
    assert is_older(older, newer)
    assert not is_older(newer, older)


def test_a_version_is_never_older_than_itself_whenever_it_was_recorded() -> None:
    early, late = blob(recorded_at=NOW), blob(recorded_at=NOW + HOUR)
    assert early == late
    assert hash(early) == hash(late)
    assert not is_older(early, late)
    assert not is_older(late, early)


def test_a_metadata_only_update_within_the_second_is_no_second_version() -> None:
    first, updated = blob(), blob(etag="0x2")
    assert mark_of(first) == mark_of(updated)
    assert first.same_bytes_as(updated)
    assert mark_of(first) != mark_of(blob(etag="0x2", modified=NOW + SECOND))
    assert mark_of(first) != mark_of(blob(etag="0x2", content_md5="b3RoZXI="))
    assert mark_of(first) != mark_of(blob(etag="0x2", size=1))
    bare = blob(content_md5=None)
    assert mark_of(bare) != mark_of(blob(etag="0x2", content_md5=None))


def test_a_tie_is_said_with_a_few_of_its_names() -> None:
    others = [blob(f"{letter}.csv") for letter in "abcdefgh"]
    assert tie_of(blob("z.csv"), ()) == ""
    said = tie_of(blob("z.csv"), tied_with(blob("z.csv"), [*others, blob("z.csv")]))
    assert "training-data/z.csv has the same Last-Modified (2026-03-01 12:00:00 UTC)" in said
    assert "training-data/e.csv and 3 more" in said
    assert "f.csv" not in said
    again = tied_with(blob(etag="0x2", **TIE), [blob(**TIE)])
    assert "as an earlier write of it:" in tie_of(blob(etag="0x2", **TIE), again)
