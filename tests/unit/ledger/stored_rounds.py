"""Fields that records of rounds, queues and drift checks leave out, and their meaning."""

from typing import Any, Final

from pydantic import BaseModel

from shared.core.full_listing import FullListing
from shared.core.run.cleaning_round import CleaningRound
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.core.serving.drift import DriftCheck

OF_ROUNDS_AND_QUEUES: Final[dict[type[BaseModel], dict[str, Any]]] = {
    FullListing: {
        "schema_version": 1,
        "covered": {},
        "missing": {},
        "generations": {},
        "generation": None,
        "joining": {},
        "pages": 0,
        "cursor": None,
        "checked_to": "",
        "complete": False,
        "completed_at": None,
        "listed": 0,
        "found": 0,
        "failed": 0,
        "damaged": (),
    },
    CleaningRound: {
        "schema_version": 1,
        "since": None,
        "kind": "pipelines",
        "cursor": None,
        "checked_to": "",
        "completed_at": None,
        "deleted": 0,
        "unclear": 0,
        "shown": (),
        "missing": {},
        "waiting": {},
    },
    QueueEntry: {"number": 0, "due": None},
    Pause: {"reason": ""},
    Pauses: {
        "schema_version": 1,
        "pause": None,
        "resumed_at": None,
        "by_failures": None,
        "resumed": None,
    },
    RunQueue: {
        "schema_version": 1,
        "pipeline": "",
        "key": (),
        "batch_run": None,
        "batch_since": None,
        "claimed_to": "",
        "holders": (),
        "waiting": (),
        "newest_first": False,
        "numbers": 0,
        "begun": (),
        "paused": None,
    },
    DriftCheck: {
        "schema_version": 1,
        "suspicion": "",
        "drift_kind": None,
        "suspect": None,
        "reported": "",
        "repair": None,
        "host": "",
        "silent": False,
    },
}
