"""The data of a pipeline: sizes, markers, and batch windows."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.data import Data
from tests.unit.core.config.test_studio_training import FILE


def data(**changes: Any) -> Data:
    return Data.model_validate({"blob": "{name}.csv", **changes}, context=FILE)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("0", 0),
        ("7", 7),
        (7, 7),
        ("7B", 7),
        ("1KB", 1024),
        ("2 kb", 2048),
        ("1MB", 1024**2),
        (" 1gb ", 1024**3),
    ],
)
def test_a_size_is_written_as_people_do(written: object, size: int) -> None:
    assert data(min_size=written).min_size == size


@pytest.mark.parametrize("written", ["", "KB", "-1", "1TB", "1.5KB", "1KBx"])
def test_what_is_no_size_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="write it like 1KB"):
        data(min_size=written)


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({}, 1),
        ({"min_size": 0}, 1),
        ({"min_size": 5}, 5),
        ({"marker": True}, 0),
        ({"marker": True, "min_size": 5}, 5),
        ({"marker": False}, 1),
    ],
)
def test_only_a_marker_may_be_empty(changes: dict[str, Any], least: int) -> None:
    assert data(**changes).least == least


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settle": "31m"}, "settle: must not be longer than settle_at_most"),
        ({"settle_at_most": "0s"}, "must be longer than 0s"),
        ({"blob": "/a.csv"}, "starts with a slash"),
        ({"blob": ""}, "blob"),
        ({"blob": "a" * 1025}, "blob"),
        ({"blob": "a/"}, "names a folder"),
        ({"blob": "a/../b"}, "a part . or .. matches no blob"),
        ({"blob": ".relearn/{name}"}, "belong to the app"),
        ({"marker": "yes"}, "must be true or false, without quotes"),
        ({"opens_runs": "no"}, "must be true or false, without quotes"),
        ({"backfill": "some"}, "backfill"),
    ],
)
def test_data_that_cannot_arrive_is_refused_with_what_to_write(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        data(**changes)
    assert message in str(caught.value)


def test_a_burst_is_waited_for_where_that_is_written() -> None:
    assert not data().has_batch_window
    assert data(settle="1s").has_batch_window
    assert data(settle="30m").settle == data().settle_at_most == timedelta(minutes=30)
    assert len(data(blob="a" * 1024).blob) == 1024
