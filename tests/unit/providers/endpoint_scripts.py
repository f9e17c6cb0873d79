"""Classic endpoints whose answers are scripted."""

from dataclasses import replace
from typing import Any

from shared.core.config.studio_endpoint import Verify
from shared.core.config.studio_urls import require_https
from shared.errors import OutcomeUnknownError, RelearnError
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.classic_endpoint import StudioClassicEndpoint
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import ROWS, UPDATE
from tests.unit.scripted import Script, answering, call

NAME = "Sample [trained model]"
DONE = Answer(200, {}, b"")
LOST = OutcomeUnknownError("PATCH: the answer was lost")


def endpoint(
    *answers: Answer | RelearnError, verify: Verify | None = None
) -> tuple[StudioClassicEndpoint, Script]:
    script = Script(list(answers))
    blobs = FakeBlobs(FakeClock())
    own, score = call(script, "${ENDPOINT_KEY}"), call(script, "${SCORE_KEY}")
    serving = StudioClassicEndpoint(own, score, UPDATE, NAME, verify, blobs, "models", secure)
    return serving, script


def secure(url: str) -> str:
    return require_https(url, development=False)


def reported(location: object, name: str = NAME) -> Answer:
    return answering({"Name": "production", "Resources": [{"Name": name, "Location": location}]})


TOKEN = "dG9rZW4="
API = "https://ussouthcentral.services.azureml.net/workspaces/w1/services/e1"
SHOWS = answering({"Name": "production", "ApiLocation": API, "PrimaryKey": "ZXAta2V5"})
VERIFY_BY_ANSWER = Verify.model_validate({"rows": ROWS})


def by_token(
    *answers: Answer | RelearnError, **changes: Any
) -> tuple[StudioClassicEndpoint, Script]:
    """Return an endpoint whose workspace token is known, and no key for scoring."""
    serving, script = endpoint(*answers)
    token = StudioCall(script, lambda _: TOKEN, "")
    known: dict[str, Any] = {"manage": token, "scoring": None, "verify": VERIFY_BY_ANSWER}
    return replace(serving, **{**known, **changes}), script
