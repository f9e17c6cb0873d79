"""Drafts made by hand, as the readers of definitions make them."""

from datetime import UTC, datetime
from typing import Any, Final

from shared.importers.data_factory.account import Account, Element
from shared.importers.data_factory.drafts import (
    BlobPath,
    Draft,
    ImportContext,
    ImportOptions,
    Job,
    Service,
    Timing,
    Update,
)
from shared.importers.data_factory.secrets import Secrets

NOW: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)
JOBS = "https://ussouthcentral.services.azureml.net/workspaces/w/services/s/jobs"
UPDATE = "https://management.azureml.net/workspaces/w/webservices/s/endpoints/second"
NEW = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/"
    "Microsoft.MachineLearning/webServices/census"
)
FILE = "pipeline/churn.json"
TRAINING = Service("trainingEndpoint", JOBS, "${TRAININGENDPOINT_API_KEY}")
SCORING = Service("scoringEndpoint", JOBS, "${SCORINGENDPOINT_API_KEY}", UPDATE, "classic")
WEEKLY = Timing(schedule={"frequency": "Week"}, when_busy="queue", catch_up="all")


class Drafted:
    """Drafts of one account, each value with an element of its own."""

    def __init__(self) -> None:
        self.account = Account()
        self.context = ImportContext(self.account, Secrets(), ImportOptions(), NOW)

    def element(self, *path: str | int, value: Any = None, file: str = FILE) -> Element:
        return Element(value, file, path, self.account)

    def path(self, name: str, container: str = "training", account: str = "store") -> BlobPath:
        source = self.element("properties", container, name, file="dataset/all.json")
        return BlobPath(account, container, name, source)

    def job(self, **changes: Any) -> Job:
        usual: dict[str, Any] = {
            "name": "Retrain",
            "service": TRAINING,
            "inputs": {"trainingData": self.path("churn/data.arff")},
            "outputs": {"trainedModel": self.path("models/churn.ilearner")},
            "source": self.element("properties", "activities", 0),
        }
        return Job(**{**usual, **changes})

    def update(self, service: Service = SCORING, **changes: Any) -> Update:
        usual: dict[str, Any] = {
            "name": "UpdateModel",
            "service": service,
            "resource": "Churn [trained model]",
            "model": self.path("models/churn.ilearner"),
            "source": self.element("properties", "activities", 1),
        }
        return Update(**{**usual, **changes})

    def draft(self, name: str = "churn", **changes: Any) -> Draft:
        usual: dict[str, Any] = {"job": self.job(), "updates": (self.update(),), "timing": WEEKLY}
        return Draft(name, **{**usual, **changes})
