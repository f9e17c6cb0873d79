"""Gives the app answers of a broken or malicious service."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proofs.captured_log import CapturedLog
from proofs.hostile.clients import BASE, pipeline_of
from proofs.hostile.findings import (
    NO_SECRETS,
    ODD_ANSWERS,
    SECRETS,
    Findings,
    leaks,
    own_errors_only,
    scan,
)
from proofs.hostile.odd_values import TEXTS, changed, odd
from shared.core.blobs import BlobVersion
from shared.core.config.studio_types import model_of
from shared.core.run.record import Phase
from shared.core.serving.references import ServingState
from shared.errors import RelearnError
from shared.ports.serving import ServingEndpoint
from shared.ports.training import JobRequest
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Answer
from shared.providers.studio.call import ArmToken
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.wire import FixedCredential
from tests.fakes.world import MODELS
from tests.unit.worlds import Observed

_STATUSES: Final = (100, 200, 200, 200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403)
_MORE_STATUSES: Final = (404, 404, 405, 408, 409, 412, 413, 429, 440, 500, 501, 502, 503, 504, 599)
_WAITS: Final = (
    "40",
    "0",
    "-1",
    "9" * 4000,
    "١٢",
    "soon",
    "",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    "Wed, 21 Oct 9999 23:59:59 -2359",
    "Wed, 21 Oct 0001 00:00:00 +2359",
    "Mon, 99 Foo 2026 99:99:99 +99999999999999999999",
)
_JOB: Final = "0123456789abcdef0123456789abcdef"


@dataclass
class _Hostile:
    """An `Http` that answers anything."""

    chance: random.Random
    secrets: tuple[str, ...] = ()  #: what the last call sent

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Answer anything; a service can repeat what it was sent, and nothing else."""
        del method, url
        sent = json.dumps(dict(headers)) + (body or b"").decode()
        self.secrets = tuple(one for one in SECRETS.values() if leaks(sent, {"": one}))
        return any_answer(self.chance, self.secrets)


def any_answer(chance: random.Random, secrets: tuple[str, ...]) -> Answer:
    """Return an answer of any status, headers and body, with some of the secrets in it."""
    status = chance.choice(_STATUSES + _MORE_STATUSES)
    headers = {
        chance.choice(("Retry-After", "retry-after")): chance.choice(_WAITS),
        "Azure-AsyncOperation": chance.choice(
            (
                "https://169.254.169.254/op",
                "https://[::1/",
                "http://x/",
                "",
                f"https://management.azure.com/o?{chance.choice((*secrets, ''))}",
            )
        ),
        "Location": "https://elsewhere.example/",
    }
    return Answer(status, headers, _body(chance, secrets))


def _body(chance: random.Random, secrets: tuple[str, ...]) -> bytes:
    form = chance.randrange(8)
    if form == 0:
        return chance.randbytes(chance.choice((0, 1, 7, 500)))
    if form == 1:
        return chance.choice((b"[", b'{"a":')) * chance.choice((50, 100_000))
    if form == 2:  # noqa: PLR2004 -- one of the forms
        return f"<html>{chance.choice(TEXTS)} {' '.join(secrets)}</html>".encode("utf-8", "replace")
    if form == 3:  # noqa: PLR2004 -- one of the forms
        return json.dumps(odd(chance, secrets, 4)).encode()
    tree = changed(json.loads(json.dumps(chance.choice(_valid()))), chance, secrets)
    text = json.dumps(tree).encode()
    return text[: chance.randrange(len(text) + 1)] if chance.random() < 0.1 else text  # noqa: PLR2004 -- torn


def _valid() -> list[Any]:
    location = {"BaseLocation": "https://a.blob.core.windows.net/", "SasBlobToken": "?sig=SECRET"}
    asset = {
        "name": "Sample [trained model]",
        "type": "Resource",
        "locationInfo": {"uri": "https://account.blob.core.windows.net/models/x.ilearner"},
    }
    return [
        {
            "StatusCode": "Finished",
            "Results": {"output1": {**location, "RelativeLocation": "models/x.ilearner"}},
            "Details": "none",
        },
        {"StatusCode": 4, "Results": None, "Details": None},
        {"error": {"code": "X", "message": "m", "details": [{"code": "Y", "message": "n"}]}},
        {
            "Name": "production",
            "ApiLocation": BASE + "/services/e1",
            "PrimaryKey": "key",
            "Resources": [{"Name": "Sample [trained model]", "Location": location}],
        },
        {
            "properties": {
                "assets": {"asset3": asset},
                "provisioningState": "Succeeded",
                "swaggerLocation": BASE + "/services/e1/swagger.json",
                "storageAccount": {"name": "account"},
            }
        },
        {
            "Results": {
                "output1": {
                    "type": "table",
                    "value": {"ColumnNames": ["Scored Labels"], "Values": [["1"], ["0"]]},
                }
            }
        },
        {"primary": "key", "secondary": "key"},
        _JOB,
        [{"Name": "production"}],
    ]


def answers(chance: random.Random, findings: Findings, log: CapturedLog) -> None:
    """Call every method of the clients of one pipeline over hostile answers."""
    config = pipeline_of(chance.choice(("classic", "webservice")))
    blobs = FakeBlobs(FakeClock())
    model = blobs.put(MODELS, "runs/x.ilearner", b"x")
    token = ArmToken(FixedCredential(SECRETS["ARM_TOKEN"]))
    http = _Hostile(chance)
    providers = ConfiguredProviders(http, SECRETS, blobs, blobs, MODELS, token=token)
    training = config.training
    request = JobRequest("sample-1", 1, {}, {}, {"Password": "${PARAMETER}"}, training)
    jobs = providers.training(training)
    endpoint = config.endpoint
    calls: list[Callable[[], object]] = [
        lambda: jobs.prepare(request),
        lambda: jobs.ensure_started(_JOB, request),
        lambda: jobs.state(_JOB),
        lambda: jobs.cancel(_JOB),
    ]
    if endpoint is not None:
        calls += _calls(providers.serving(endpoint), model)
    for call in calls:
        try:
            call()
        except RelearnError as exc:
            sent = {name: one for name, one in SECRETS.items() if one in http.secrets}
            if leaked := leaks(str(exc), sent):
                findings.broken(NO_SECRETS, f"{leaked} in {type(exc).__name__}: {str(exc)[:200]}")
    scan(log, "", SECRETS, findings)


def _calls(serving: ServingEndpoint, model: BlobVersion) -> list[Callable[[], object]]:
    return [
        serving.ensure,
        serving.current,
        lambda: serving.restore(ServingState(model=model_of(model))),
        serving.update_state,
        lambda: serving.update_state("https://management.azure.com/operations/1"),
        lambda: serving.restore(ServingState()),
    ]


def world_of_answers(chance: random.Random, findings: Findings, log: CapturedLog) -> None:
    """Run a pipeline whose service gives odd answers, with its secrets in them."""
    world = Observed()
    secrets = world.environment
    share = chance.choice((0.1, 0.5, 1.0))

    def oddly(method: str, path: str) -> Answer | None:
        del method, path
        return any_answer(chance, tuple(secrets.values())) if chance.random() < share else None

    world.http.answers.append(oddly)
    world.upload()
    own_errors_only(world.deliver)
    for _ in range(30):
        own_errors_only(world.tick)
    world.http.answers.clear()
    for _ in range(30):
        own_errors_only(lambda: world.tick(300))
    for _ in range(12):  # the service may have asked for a day (Retry-After)
        own_errors_only(lambda: world.tick(3 * 3600))
    for record in log.records:
        if record.exc_info and record.exc_info[1] is not None:
            findings.broken(ODD_ANSWERS, f"{record.getMessage()}: {record.exc_info[1]!r}"[:300])
            break
    for run in world.runs():
        if not run.phase.ended and run.phase is not Phase.PARKED:
            why = run.reason or run.step_failure
            findings.broken(ODD_ANSWERS, f"afterwards the run is left {run.phase}: {why}"[:300])
    scan(log, world.everything_stored(), secrets, findings)
