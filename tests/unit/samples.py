"""Values to build cases from: a blob, a pipeline, a run in any phase, answers of a probe."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_types import STUDIO, endpoint_identity, model_of
from shared.core.run.promotion import Promotion
from shared.core.run.record import ENDS, Origin, Phase, Run, StepFailure
from shared.core.serving.probes import ProbeAnswers, ProbeOutcome
from shared.core.serving.references import EndpointRef, ModelRef, ServingState

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
OPEN_PHASES: Final = tuple(
    phase for phase in Phase if phase not in ENDS and phase is not Phase.PARKED
)
BASE: Final = "https://ussouthcentral.services.azureml.net/workspaces/w1/services/e1"
UPDATE: Final = "https://management.azureml.net/workspaces/w1/webservices/s1/endpoints/production"
ROWS: Final = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["1"], ["2"]]}}}


def blob(name: str = "new.csv", **changes: Any) -> BlobVersion:
    known: dict[str, Any] = {
        "container": "training-data",
        "name": name,
        "etag": "0x1",
        "size": 100,
        "created": NOW,
        "modified": NOW,
        "content_md5": "bWQ1",
    }
    return BlobVersion(**{**known, **changes})


def model_ref(name: str, **changes: Any) -> ModelRef:
    """Return the reference to a model that is a blob of the models container."""
    return model_of(blob(name, **{"container": "models", **changes}))


def state_of(model: BlobVersion | ModelRef) -> ServingState:
    """Return what an endpoint serves that is given this model."""
    return ServingState(model=model_of(model) if isinstance(model, BlobVersion) else model)


def ref(update: str) -> EndpointRef:
    """Return what the endpoint of an update URL is known by."""
    known = endpoint_identity(update)
    return EndpointRef(provider=STUDIO, identity=f"{known.where}{known.path}", name=update)


MODEL_BLOB: Final = blob("runs/sample/sample-1/1/model.ilearner", container="models")
MODEL: Final = model_of(MODEL_BLOB)


def tree(**changes: Any) -> dict[str, Any]:
    """Return a pipeline as it is written, `training__attempts=2` changing a part of it."""
    known: dict[str, Any] = {
        "name": "sample",
        "data": {"blob": "{name}.csv"},
        "when_busy": "parallel",
        "training": {
            "service": f"{BASE}/jobs",
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner", "output2": "evaluation.csv"},
        },
        "endpoints": [
            {
                "name": "production",
                "update": UPDATE,
                "api_key": "${ENDPOINT_KEY}",
                "resource": "Sample [trained model]",
                "verify": {"score": f"{BASE}/execute", "rows": ROWS, "within": "3m"},
            }
        ],
    }
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if key:
            known[part] = {**known[part], key: value}
        else:
            known[part] = value
    return known


def pipeline(**changes: Any) -> Pipeline:
    return _checked(**changes) if changes else _usual()


@cache  # most runs are of it; it is frozen
def _usual() -> Pipeline:
    return _checked()


def _checked(**changes: Any) -> Pipeline:
    return Pipeline.model_validate(tree(**changes), context={"development": False})


def good(*scores: str) -> ProbeAnswers:
    return ProbeAnswers(
        seen=ProbeOutcome.GOOD, columns=("Scored Labels",), rows=tuple((s,) for s in scores)
    )


BROKEN: Final = ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="missing feature(s): 'hello'")
REFUSED: Final = ProbeAnswers(seen=ProbeOutcome.REFUSED, detail="no such URL (HTTP 404)")
SILENT: Final = ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail="busy (HTTP 503)")


def promotion(**changes: Any) -> Promotion:
    known: dict[str, Any] = {
        "generation": 1,
        "before": good("0.1", "0.2"),
        "rollback_target": ServingState(),
        "sent_at": NOW,
        "after_rollback": "rolled_back",
    }
    return Promotion(**{**known, **changes})


def step_failure(since: datetime = NOW, count: int = 1) -> StepFailure:
    return StepFailure(
        since=since,
        cause_since=since,
        patience=timedelta(hours=1),
        count=count,
        reason="busy",
        next_check=since + timedelta(minutes=1),
    )


def run(phase: Phase, **changes: Any) -> Run:
    """Return a run in `phase`, with the fields that a run has in that phase."""
    later = phase not in (Phase.RECEIVED, Phase.REJECTED)
    updating = phase in (Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)
    known: dict[str, Any] = {
        "run_id": "sample-1",
        "pipeline": "sample",
        "origin": Origin.DATA,
        "cause": "blob training-data/new.csv",
        "config": pipeline(),
        "manifest": (blob(),),
        "parameters": {},
        "phase": phase,
        "job": "j1" if later else None,
        "started_at": NOW if later and phase is not Phase.CREATED else None,
        "model": MODEL if updating else None,
        "promotion": promotion() if updating else None,
        "opened_at": NOW,
    }
    return Run(**{**known, **changes})
