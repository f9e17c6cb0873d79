"""Copies of the documented Data Factory walk-through, their imports, and the services.

The definitions are the samples of the walk-through. Their ids are those of the stand-in, and each
factory has names of its own, so that one import makes one pipelines file of them.
"""

import copy
import json
import random
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite
from local.studio import HttpBlobs, LogisticTrainer, OutputKind, Studio
from local.studio.services import Published
from local.studio.state import OWN_CONTAINER
from local.studio.training import Trained, TrainingFailedError
from local.studio.web_service_json import WebService
from tests.importers.walked import SAMPLES, files_of
from tests.waiting import eventually

CONTAINER: Final = "labeledexamples"
RESOURCE: Final = "Training Exp for ADF ML [trained model]"
CLASSIC: Final = "v1_walk_through_classic"
RESOURCE_MANAGER: Final = "v1_walk_through_arm"
#: A job on such data waits until a second one is open, or fails once.
IN_PAIRS: Final = "% in pairs\n"
FAILS_ONCE: Final = "% fails once\n"
_FIRST: Final = b"a,b,label\n1,5,0\n2,6,0\n3,7,1\n4,8,1\n"
_NAMES: Final = (
    "StorageLinkedService",
    "trainingEndpoint",
    "updatableScoringEndpoint2",
    "trainingData",
    "trainedModelBlob",
    "placeholderBlob",
    "pipeline",
)


def labelled(seed: int, first_line: str = "") -> bytes:
    """Return labelled examples in ARFF, other ones for each seed.

    Args:
        seed: which examples.
        first_line: a comment.
    """
    draw = random.Random(seed)  # noqa: S311 - data for a test, not a secret
    rows = [f"{draw.gauss(0, 1):.3f},{draw.gauss(0, 1):.3f}" for _ in range(40)]
    lines = [f"{row},{'yes' if float(row.split(',')[0]) > 0 else 'no'}" for row in rows]
    head = "@relation labelled\n@attribute a numeric\n@attribute b numeric\n"
    return f"{first_line}{head}@attribute label {{no,yes}}\n@data\n{chr(10).join(lines)}\n".encode()


def trained_on(content: bytes) -> bytes:
    """Return the model that the stand-in makes of examples."""
    return LogisticTrainer().train({"input": content}, {}, label=None).model


@dataclass
class WatchedTrainer(LogisticTrainer):
    """Trains, fails once where the data says so, and counts jobs that are open at a time."""

    studio: Studio | None = None
    most_open: Counter[str] = field(default_factory=Counter)
    failed: set[bytes] = field(default_factory=set)

    def train(
        self, inputs: Mapping[str, bytes], parameters: Mapping[str, str], *, label: str | None
    ) -> Trained:
        (content,) = inputs.values()
        if content.startswith(IN_PAIRS.encode()) and self.most_open["days"] < 2:
            eventually(lambda: self._open()["days"] > 1, "a second job while one is open")
        self.most_open |= self._open()
        if content.startswith(FAILS_ONCE.encode()) and content not in self.failed:
            self.failed.add(content)
            raise TrainingFailedError("out of memory")
        return super().train(inputs, parameters, label=label)

    def _open(self) -> Counter[str]:
        assert self.studio is not None
        jobs = (job for job in self.studio.jobs if not job.state.ended)
        return Counter(data_of(job.inputs).partition("/")[0] for job in jobs)


def data_of(inputs: Mapping[str, Any]) -> str:
    """Return the path of a job's only input inside the container."""
    (reference,) = inputs.values()
    path: str = reference.relative_location
    return path.removeprefix(f"{CONTAINER}/")


def studio_of(azurite: Azurite) -> tuple[Studio, WatchedTrainer]:
    """Return the stand-in, without a service yet, and its trainer.

    Args:
        azurite: its own storage.
    """
    trainer = WatchedTrainer()
    studio = Studio(
        storage=HttpBlobs(),
        trainer=trainer,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: uuid.uuid4().hex,
        switch_delay=timedelta(seconds=1),
        own_storage=azurite.connection_string,
    )
    studio.switches.provision_delay = timedelta(seconds=1)
    trainer.studio = studio
    return studio, trainer


@dataclass(frozen=True, slots=True)
class Services:
    """The stand-in with a training service, a New service, and Classic endpoints by name."""

    studio: Studio
    training: Published
    new: WebService
    classic: Mapping[str, Published]


def services(
    studio: Studio, azurite: Azurite, storage: BlobServiceClient, names: Iterable[str]
) -> Services:
    """Publish what the factories train and update, once the stand-in has its address.

    Args:
        studio: the stand-in.
        azurite: where the New service keeps its model.
        storage: the same account.
        names: of the Classic endpoints.
    """
    model = trained_on(_FIRST)
    storage.get_blob_client(OWN_CONTAINER, "first.ilearner").upload_blob(model)
    uri = f"{azurite.blob_endpoint}/{OWN_CONTAINER}/first.ilearner"
    classic = {}
    for name in names:
        service = studio.publish_scoring(name, resource=RESOURCE, model=model)
        classic[name] = studio.add_endpoint(service.web_service_id, name)
    return Services(
        studio,
        studio.publish_training("training", outputs={"output1": OutputKind.MODEL}),
        studio.publish_web_service("scoring", resource=RESOURCE, model=model, uri=uri),
        classic,
    )


def definitions(sample: str, prefix: str, served: Services) -> dict[str, Any]:
    """Return the definitions of a sample with names of their own, and the stand-in's ids.

    Args:
        sample: the folder of the sample.
        prefix: of all names; that of a Classic endpoint is called so, too.
        served: the services.
    """
    found = {f"{prefix}/{file}": raw for file, raw in files_of(SAMPLES / sample).items()}
    text = json.dumps(found)
    for name in _NAMES:
        text = text.replace(f'"{name}"', f'"{prefix}-{name}"')
    made: dict[str, Any] = json.loads(text)
    training = made[f"{prefix}/trainingEndpoint.json"]["properties"]["typeProperties"]
    training["mlEndpoint"] = (
        f"https://ussouthcentral.services.azureml.net{served.training.jobs_url}"
    )
    scoring = made[f"{prefix}/updatableScoringEndpoint2.json"]["properties"]["typeProperties"]
    if sample == CLASSIC:
        endpoint = served.classic[prefix]
        scoring["updateResourceEndpoint"] = (
            f"https://management.azureml.net{endpoint.management_url}"
        )
    else:
        manager = f"https://management.azure.com{served.new.path}"
        scoring["updateResourceEndpoint"] = f"{manager}?api-version=2016-05-01-preview. "
    return made


def partitioned(
    made: dict[str, Any],
    prefix: str,
    availability: Mapping[str, Any],
    period: tuple[str, str],
    policy: Mapping[str, Any],
) -> dict[str, Any]:
    """Return definitions whose data is another blob for each window.

    Args:
        made: the definitions.
        prefix: of their names, and the folder of the data.
        availability: of all datasets.
        period: the active period.
        policy: of the training; it overrides that of the sample.
    """
    made = copy.deepcopy(made)
    for file in ("trainingData", "trainedModelBlob", "placeholderBlob"):
        made[f"{prefix}/{file}.json"]["properties"]["availability"] = dict(availability)
    data = made[f"{prefix}/trainingData.json"]["properties"]["typeProperties"]
    data["folderPath"] = f"{CONTAINER}/{prefix}/{{Window}}"
    moment = {"type": "DateTime", "date": "SliceStart", "format": "yyyyMMddHHmmss"}
    data["partitionedBy"] = [{"name": "Window", "value": moment}]
    pipeline = made[f"{prefix}/pipeline.json"]["properties"]
    pipeline["start"], pipeline["end"] = period
    pipeline["activities"][0]["policy"].update(policy)
    return made


def written(folder: Path, made: Mapping[str, Any]) -> Path:
    """Write definitions into a folder and return it.

    Args:
        folder: where.
        made: the content of each file.
    """
    for file, raw in made.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps(raw, indent=2), encoding="utf-8")
    return folder
