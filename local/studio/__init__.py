"""A stand-in for Azure ML Studio (classic) on one machine; its entry point is `Studio`."""

from local.studio.jobs import Job, JobState
from local.studio.refusals import RefusalError
from local.studio.services import OutputKind, Parameter, ParameterKind, Published
from local.studio.state import Studio
from local.studio.storage import BlobAccess, BlobRefusedError, HttpBlobs, MemoryBlobs
from local.studio.training import (
    InstantTrainer,
    LogisticTrainer,
    Trained,
    Trainer,
    TrainingFailedError,
)
from local.studio.wire import WireAnswer, WireRequest

__all__ = [
    "BlobAccess",
    "BlobRefusedError",
    "HttpBlobs",
    "InstantTrainer",
    "Job",
    "JobState",
    "LogisticTrainer",
    "MemoryBlobs",
    "OutputKind",
    "Parameter",
    "ParameterKind",
    "Published",
    "RefusalError",
    "Studio",
    "Trained",
    "Trainer",
    "TrainingFailedError",
    "WireAnswer",
    "WireRequest",
]
