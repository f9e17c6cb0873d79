"""Triggers of version 2 that wait for blobs become patterns; their keys are accounted for."""

import pytest

from shared.importers.data_factory.account import Outcome
from tests.unit.importers.triggers import (
    starts_of,
    trigger_factory,
    unread_of,
)


@pytest.mark.parametrize(
    ("begins", "ends", "container", "pattern"),
    [
        ("/data/blobs/in/", ".csv", "data", "in/{name}.csv"),
        ("/data/blobs/in/", "", "data", "in/{name}"),
        ("/data/blobs/in/train", ".csv", "data", "in/train{name}.csv"),
        ("/data/blobs/in/train.csv", "", "data", "in/train.csv"),
        ("/data/blobs/in/", "/train.csv", "data", "in/{folder}/train.csv"),
        ("/data/blobs/in/", "train.csv", "data", "in/train.csv"),
        ("/data/", "", "data", "{name}"),
        ("/data/blobs/", ".csv", "data", "{name}.csv"),
        ("", ".csv", "", "{name}.csv"),
        ("", "in/r.csv", "", "in/r.csv"),
        ("", "/c/blobs/r.csv", "c", "r.csv"),
        ("/data/", "/data/blobs/in/r.csv", "data", "in/r.csv"),
    ],
)
def test_a_blob_event_is_a_pattern(begins: str, ends: str, container: str, pattern: str) -> None:
    typed = {
        "blobPathBeginsWith": begins,
        "blobPathEndsWith": ends,
        "ignoreEmptyBlobs": True,
        "scope": "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st",
        "events": ["Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"],
    }
    factory = trigger_factory("BlobEventsTrigger", typed)
    (start,) = starts_of(factory)
    assert start.event is not None
    assert (start.event.account, start.event.container) == ("st", container)
    assert start.event.pattern == pattern
    assert ("one folder stands between" in start.event.differs) == ("{folder}" in pattern)
    assert start.timing.opens_runs
    assert "a deleted blob opens no run" in factory.said()
    assert unread_of(factory) == []


def test_a_trigger_of_deleted_blobs_alone_is_not_carried_over() -> None:
    typed = {
        "blobPathBeginsWith": "/data/blobs/in/",
        "blobPathEndsWith": ".csv",
        "events": ["Microsoft.Storage.BlobDeleted"],
    }
    factory = trigger_factory("BlobEventsTrigger", typed)
    assert starts_of(factory) == []
    (line,) = factory.lines("trigger")
    assert line.outcome is Outcome.NOT_CARRIED_OVER
    assert "a deleted blob opens no run" in line.text
    assert {one.outcome for one in factory.lines() if one.file == line.file} == {line.outcome}


def test_a_stopped_blob_trigger_opens_no_runs() -> None:
    typed = {"folderPath": "data/in", "maxConcurrency": 4, "linkedService": {"referenceName": "st"}}
    factory = trigger_factory("BlobTrigger", typed, runtimeState="Stopped")
    (start,) = starts_of(factory)
    assert start.event is not None
    assert (start.event.container, start.event.pattern) == ("data", "in/{name}")
    assert not start.timing.opens_runs
    assert unread_of(factory) == []
