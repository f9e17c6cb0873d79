"""Triggers of version 2 that wait for blobs become patterns; their keys are accounted for."""

from typing import Any

import pytest

from shared.importers.data_factory.account import NOWHERE, ImportOutcome
from shared.importers.data_factory.drafts import BlobPath
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


@pytest.mark.parametrize(
    ("more", "differs"),
    [
        ({"blobPathBeginsWith": "/dat"}, "containers whose names only begin with dat open no run"),
        ({"blobPathBeginsWith": "/data/in/"}, "wants /blobs/ after the container"),
        ({"blobPathBeginsWith": "/data/blobs/in/"}, "blobs in deeper folders open no run"),
    ],
)
def test_what_a_pattern_does_not_match_is_to_be_looked_at(
    more: dict[str, Any], differs: str
) -> None:
    (start,) = starts_of(trigger_factory("BlobEventsTrigger", more))
    assert start.event is not None
    start.event.report("churn", start.event.pattern)
    (key,) = start.event.keys
    line = key.account.lines[key.place]
    assert differs in line.text
    assert line.asks


@pytest.mark.parametrize(
    ("kind", "typed", "why"),
    [
        ("BlobEventsTrigger", {}, "it does not say which blobs"),
        ("BlobTrigger", {}, "it does not say which blobs"),
        ("BlobEventsTrigger", {"blobPathBeginsWith": "[parameters('p')]"}, "`[parameters('p')]`"),
        ("BlobEventsTrigger", {"blobPathEndsWith": "*.csv"}, "`*.csv` cannot be read"),
        ("BlobEventsTrigger", {"blobPathBeginsWith": "/data/blobs/{in}/"}, "cannot be read"),
        ("BlobTrigger", {"folderPath": "@{x}/in"}, "`@{x}/in` cannot be read"),
    ],
)
def test_blobs_that_are_not_known_open_no_runs(kind: str, typed: dict[str, Any], why: str) -> None:
    factory = trigger_factory(kind, typed)
    (start,) = starts_of(factory)
    assert start.event is not None
    assert not start.timing.opens_runs
    (line,) = factory.lines("trigger")
    assert line.outcome is ImportOutcome.APPROXIMATED
    rows = BlobPath("st", "data", "in/rows.csv", NOWHERE)
    assert start.event.data([rows]).name == "in/rows.csv"
    start.event.report("churn", "in/rows.csv")
    assert "churn: data.blob: in/rows.csv, data.opens_runs: false: " in factory.said()
    assert why in factory.said()


def test_an_account_that_is_not_known_is_not_named() -> None:
    scope = "[concat('/subscriptions/', parameters('s'))]"
    typed = {"blobPathBeginsWith": "/data/", "scope": scope}
    factory = trigger_factory("BlobEventsTrigger", typed)
    (start,) = starts_of(factory)
    assert start.event is not None
    assert start.event.account == ""
    assert f"`{scope}`: events come from" in factory.said()


@pytest.mark.parametrize("event", ["BlobDeleted", "BlobRenamed"])
def test_a_trigger_of_other_events_alone_is_not_carried_over(event: str) -> None:
    typed = {
        "blobPathBeginsWith": "/data/blobs/in/",
        "blobPathEndsWith": ".csv",
        "events": [f"Microsoft.Storage.{event}"],
    }
    factory = trigger_factory("BlobEventsTrigger", typed)
    assert starts_of(factory) == []
    (line,) = factory.lines("trigger")
    assert line.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert f"it waits for Microsoft.Storage.{event}" in line.text
    assert {one.outcome for one in factory.lines() if one.file == line.file} == {line.outcome}


def test_a_stopped_blob_trigger_opens_no_runs() -> None:
    typed = {"folderPath": "data/in", "maxConcurrency": 4, "linkedService": {"referenceName": "st"}}
    factory = trigger_factory("BlobTrigger", typed, runtimeState="Stopped")
    (start,) = starts_of(factory)
    assert start.event is not None
    assert (start.event.container, start.event.pattern) == ("data", "in/{name}")
    assert not start.timing.opens_runs
    assert unread_of(factory) == []
