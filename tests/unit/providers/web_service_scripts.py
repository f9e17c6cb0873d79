"""New web services whose answers are scripted."""

from copy import deepcopy
from typing import Any

from shared.core.config.studio_urls import require_https
from shared.core.serving.probes import EndpointCheck
from shared.errors import RelearnError
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.web_service import StudioWebService
from tests.fakes.blobs import ACCOUNT, FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import MODEL_BLOB
from tests.unit.scripted import Script, answering
from tests.unit.vectors import vector

HOST = "https://management.azure.com"
PATH = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearning/webServices/census"
URL = f"{HOST}{PATH}?api-version=2017-01-01"
OPERATION = f"{HOST}/subscriptions/s/operations/o1?api-version=2017-01-01"
NAME = "Retrain Sample [trained model]"
FIRST = f"{ACCOUNT}experimentoutput/first.ilearner"
ARM = "YXJtLXRva2Vu"


def definition(**changes: Any) -> dict[str, Any]:
    """Return the definition with members of its properties changed; None removes one."""
    found: dict[str, Any] = deepcopy(vector("arm_definition")["body"])
    found["properties"].update(changes)
    return found


def naming(uri: str) -> dict[str, Any]:
    found = definition()
    found["properties"]["assets"]["asset3"]["locationInfo"]["uri"] = uri
    return found


def secure(url: str) -> str:
    return require_https(url, development=False)


def service(*answers: Answer | RelearnError, **changes: Any) -> tuple[StudioWebService, Script]:
    script = Script(list(answers))
    known: dict[str, Any] = {
        "call": StudioCall(script, lambda _: ARM, ""),
        "update_url": URL,
        "resource": None,
        "verify": None,
        "models": FakeBlobs(FakeClock()),
        "allowed": secure,
    }
    return StudioWebService(**{**known, **changes}), script


def updated(*answers: Answer | RelearnError, **changes: Any) -> tuple[Any, Script]:
    one, script = service(answering(definition()), *answers, **changes)
    return one.update(MODEL_BLOB), script


def checked(operation: Answer, reported: dict[str, Any]) -> EndpointCheck:
    return service(operation, answering(reported))[0].check(OPERATION)
