"""The documented walk-through of Data Factory: imported, and run by the app to live models."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import requests
import yaml
from azure.storage.blob import BlobServiceClient

from local.azurite import ACCOUNT_KEY, Azurite, make_container
from local.demo.stage import ROOT
from local.host.process import HostProcess
from local.studio.server import StudioServer
from local.studio.state import OWN_CONTAINER
from shared.core.run.record import ENDS
from tests.e2e.factory import (
    CLASSIC,
    CONTAINER,
    FAILS_ONCE,
    IN_PAIRS,
    RESOURCE_MANAGER,
    Services,
    WatchedTrainer,
    data_of,
    definitions,
    labelled,
    partitioned,
    services,
    studio_of,
    trained_on,
    written,
)
from tests.importers.imported import Imported, run_import
from tests.waiting import eventually

WEEKS: Final = ("20160201000000", "20160208000000", "20160215000000")
DAYS: Final = ("20160201000000", "20160202000000", "20160203000000", "20160204000000")
ROWS: Final = {"Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["1.5", "0.2"]]}}}
DELAY: Final = timedelta(seconds=2)
EVERYTHING: Final = labelled(1)


@dataclass
class Scene:
    """The services, the app with the imported file, and when the late window is due."""

    served: Services
    trainer: WatchedTrainer
    host: HostProcess
    storage: BlobServiceClient
    imported: Imported
    late: datetime

    @property
    def late_data(self) -> str:
        return f"late/{self.late - timedelta(minutes=15):%Y%m%d%H%M%S}/labeledexamples.arff"

    def runs(self, pipeline: str) -> list[dict[str, Any]]:
        """Return the runs of a pipeline, in the order in which they were opened."""
        ledger = self.storage.get_container_client("ledger")
        mine = f"runs/{pipeline}-"
        names = ledger.list_blob_names(name_starts_with=mine) if ledger.exists() else ()
        runs = [requests.get(f"{self.host.url}/api/{name}", timeout=30).json() for name in names]
        found = (run for run in runs if run.get("pipeline") == pipeline)
        return sorted(found, key=lambda run: str(run["opened_at"]))

    def ended(self, pipeline: str, count: int) -> list[dict[str, Any]]:
        """Return the runs of a pipeline once a number of them are over."""

        def over() -> list[dict[str, Any]]:
            runs = self.runs(pipeline)
            return runs if len(runs) >= count and all(r["phase"] in ENDS for r in runs) else []

        try:
            return eventually(over, f"the end of {count} runs of {pipeline}", 90)
        except AssertionError as error:
            shown = json.dumps(self.runs(pipeline), indent=1)
            raise AssertionError(f"{error}\n{shown}\n{self.host.log[-2000:]}") from None

    def jobs(self, folder: str) -> list[str]:
        """Return the window of each job on the data of a folder, in the order of their creation."""
        paths = [data_of(job.inputs) for job in self.served.studio.jobs]
        return [path.split("/")[1] for path in paths if path.startswith(f"{folder}/")]

    def serves(self, endpoint: str) -> bytes | None:
        """Return the model that a Classic endpoint serves."""
        found = (one for _, many in self.served.studio.services() for one in many)
        return next(self.served.studio.serving(one) for one in found if one.name == endpoint)

    def upload(self, name: str, content: bytes) -> None:
        self.storage.get_blob_client(CONTAINER, name).upload_blob(content)


@pytest.fixture(scope="module")
def scene(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        for container in (CONTAINER, "models", OWN_CONTAINER):
            make_container(storage.get_container_client(container))
        studio, trainer = studio_of(azurite)
        with StudioServer(studio, trainer=trainer):
            served = services(studio, azurite, storage, ("classic", "weeks", "days", "late"))
            folder = tmp_path_factory.mktemp("factory")
            late = (datetime.now(UTC) + timedelta(seconds=4)).replace(microsecond=0)
            source = written(folder / "definitions", factories(served, late))
            imported = run_import(source, folder / "imported", "--backfill")
            settings = {
                **json.loads(imported.text("local.settings.json"))["Values"],
                **adapted(imported, served),
                "AzureWebJobsStorage": azurite.connection_string,
            }
            for name, content in known_data():
                storage.get_blob_client(CONTAINER, name).upload_blob(content)
            with HostProcess(ROOT, settings) as host:
                yield Scene(served, trainer, host, storage, imported, late)


def factories(served: Services, late: datetime) -> dict[str, Any]:
    """Return the definitions of the walk-through in both forms, and of some with windows."""
    made = definitions(CLASSIC, "classic", served) | definitions(RESOURCE_MANAGER, "arm", served)
    windows = {
        "weeks": ({"frequency": "Week", "interval": 1}, ("2016-02-01", "2016-02-22"), {}),
        "days": (
            {"frequency": "Day", "interval": 1},
            ("2016-02-01", "2016-02-05"),
            {"concurrency": 2, "executionPriorityOrder": "OldestFirst"},
        ),
    }
    for name, (availability, (start, end), policy) in windows.items():
        period = (f"{start}T00:00:00Z", f"{end}T00:00:00Z")
        weekly = definitions(CLASSIC, name, served)
        made |= partitioned(weekly, name, availability, period, policy)
    offset = timedelta(minutes=late.minute % 15, seconds=late.second)
    quarter = {"frequency": "Minute", "interval": 15, "offset": f"0{offset}"}
    period = (f"{late - timedelta(minutes=15):%Y-%m-%dT%H:%M:%SZ}", f"{late:%Y-%m-%dT%H:%M:%SZ}")
    policy = {"delay": f"0{DELAY}", "executionPriorityOrder": "OldestFirst"}
    made |= partitioned(definitions(CLASSIC, "late", served), "late", quarter, period, policy)
    external = made["late/trainingData.json"]["properties"]["policy"]["externalData"]
    external["retryInterval"] = "00:00:01"
    return made


def known_data() -> Iterator[tuple[str, bytes]]:
    """Yield the data that is there from the start."""
    yield "labeledexamples.arff", EVERYTHING
    for seed, week in enumerate(WEEKS, 10):
        mark = FAILS_ONCE if week == WEEKS[1] else ""
        yield f"weeks/{week}/labeledexamples.arff", labelled(seed, mark)
    for seed, day in enumerate(DAYS, 20):
        yield f"days/{day}/labeledexamples.arff", labelled(seed, IN_PAIRS)


def adapted(imported: Imported, served: Services) -> dict[str, str]:
    """Lead the file's URLs to the stand-in, and return the settings that people have to fill in."""
    file = imported.folder / "pipelines.yaml"
    text = file.read_text(encoding="utf-8")
    for host in (
        "https://ussouthcentral.services.azureml.net",
        "https://management.azureml.net",
        "https://management.azure.com",
    ):
        text = text.replace(host, served.studio.base_url)
    pipelines = yaml.safe_load(text)["pipelines"]
    values = {}
    for name, pipeline in pipelines.items():
        values[setting(pipeline["training"]["api_key"])] = served.training.api_key
        (endpoint,) = pipeline["endpoints"]
        if name != "arm-pipeline":
            key = served.classic[name.partition("-")[0]].api_key
            values[setting(endpoint["api_key"])] = key
        # The report says: add `verify`; the factory had nothing like it.
        endpoint["verify"] = {"rows": "probe.json", "within": "20s"}
    assert "verify: {rows: probe.json}" in "\n".join(imported.report["steps"])
    (imported.folder / "probe.json").write_text(json.dumps(ROWS))
    file.write_text(yaml.safe_dump({"pipelines": pipelines}, sort_keys=False), encoding="utf-8")
    return {
        **values,
        "PIPELINES_FILE": str(file),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "MODELS_CONTAINER": "models",
        "LEDGER_CONTAINER": "ledger",
        "POLL_SCHEDULE": "*/1 * * * * *",
        "SCHEDULE_TICK": "*/1 * * * * *",
        "CHECK_INTERVAL_MIN": "1s",
        "IDENTITY_ENDPOINT": f"{served.studio.base_url}/msi/token",
        "IDENTITY_HEADER": served.studio.identity_secret,
    }


def setting(text: str) -> str:
    """Return the name in `${NAME}`."""
    return text.removeprefix("${").removesuffix("}")


def scores(url: str, key: str) -> list[list[str]]:
    """Return what an endpoint answers for the probe rows."""
    headers = {"Authorization": f"Bearer {key}"}
    answer = requests.post(f"{url}?api-version=2.0", json=ROWS, headers=headers, timeout=30)
    answer.raise_for_status()
    values: list[list[str]] = answer.json()["Results"]["output1"]["value"]["Values"]
    return values


def test_the_walk_through_updates_a_classic_endpoint(scene: Scene) -> None:
    (run,) = scene.ended("classic-pipeline", 1)
    assert run["phase"] == "promoted", run
    assert "probes" in run["promotion"]["verification"]
    assert scene.serves("classic") == trained_on(EVERYTHING)


def test_the_walk_through_updates_a_resource_manager_service(scene: Scene) -> None:
    (run,) = scene.ended("arm-pipeline", 1)
    assert run["phase"] == "promoted", run
    new = scene.served.new
    assert scene.served.studio.web_service_serves(new) == trained_on(EVERYTHING)
    url = scene.served.studio.base_url
    classic = scene.served.classic["classic"]
    scene.ended("classic-pipeline", 1)
    same = scores(url + classic.execute_url, classic.api_key)
    assert scores(f"{url}{new.data_plane}/execute", new.api_key) == same


def test_the_newest_window_is_first_where_the_policy_says_so(scene: Scene) -> None:
    runs = scene.ended("weeks-pipeline", len(WEEKS))
    newest, failed_once, oldest = WEEKS[::-1]
    assert scene.jobs("weeks") == [newest, failed_once, failed_once, oldest]
    assert scene.trainer.most_open["weeks"] == 1
    by_window = {run["window"]["start"][:10]: run for run in runs}
    assert by_window["2016-02-15"]["phase"] == "promoted"
    assert by_window["2016-02-01"]["phase"] == by_window["2016-02-08"]["phase"] == "superseded"
    assert "out of memory" in by_window["2016-02-08"]["ended_attempts"][0]["reason"]
    assert scene.serves("weeks") == trained_on(labelled(12))


def test_two_windows_at_a_time_in_their_order(scene: Scene) -> None:
    runs = scene.ended("days-pipeline", len(DAYS))
    jobs = scene.jobs("days")
    assert sorted(jobs) == sorted(DAYS)
    assert [set(jobs[:2]), set(jobs[2:])] == [set(DAYS[:2]), set(DAYS[2:])]
    assert scene.trainer.most_open["days"] == 2
    assert {run["phase"] for run in runs} <= {"promoted", "superseded"}
    assert scene.serves("days") == trained_on(labelled(23, IN_PAIRS))


def test_a_window_waits_for_its_data_and_its_delay(scene: Scene) -> None:
    ledger = scene.storage.get_container_client("ledger")

    def waiting() -> bool:
        names = [name for name in ledger.list_blob_names() if "late-pipeline" in name]
        records = [json.loads(ledger.download_blob(name).readall()) for name in names]
        return any(record.get("waiting") for record in records)

    eventually(waiting, "the due time that waits for data")
    assert scene.runs("late-pipeline") == []
    scene.upload(scene.late_data, labelled(30))
    (run,) = scene.ended("late-pipeline", 1)
    assert run["phase"] == "promoted", run
    assert datetime.fromisoformat(run["opened_at"]) >= scene.late + DELAY
    assert scene.serves("late") == trained_on(labelled(30))


def test_one_window_is_one_job_and_no_secret_is_reported(scene: Scene) -> None:
    counts = {"classic": 1, "arm": 1, "weeks": 3, "days": 4}
    runs = [run for name, n in counts.items() for run in scene.ended(f"{name}-pipeline", n)]
    assert len(runs) == sum(counts.values())
    told = json.dumps(runs) + scene.host.log + scene.imported.everything()
    keys = [one.api_key for one in scene.served.classic.values()]
    secrets = (*keys, ACCOUNT_KEY, scene.served.studio.arm_token, "planted", "sig=")
    assert [secret for secret in secrets if secret in told] == []
