"""The checks of Studio: a service that trains is asked for a job that it never had.

An endpoint is asked what it serves. Its key may be good for an update and not for that, so a
refusal says nothing for sure (studio-classic §3).
"""

from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_training import StudioTraining
from shared.core.findings import Finding, not_checked, ok
from shared.ports.checks import Check
from shared.providers.studio.batch import StudioBatch
from shared.providers.studio.blob_references import require_account
from shared.providers.studio.classic_endpoint import StudioClassicEndpoint
from shared.providers.studio.errors import read_refusal, sort_refusal

_SERVICES: Final = "services"
_ENDPOINTS: Final = "endpoints"
_NOT_ALLOWED: Final = frozenset({401, 403})
_NO_JOB: Final = "0" * 32
_NOT_FOUND: Final = 404
#: Codes of a 404 that are not about the job (studio-classic §5).
_NO_SERVICE: Final = frozenset(
    {"WebServiceNotFound", "WebServiceIdNotFoundInWorkspace", "WorkspaceNotFound"}
)
_ENDPOINT_ADVICE: Final = (
    "correct `update` of the endpoint in pipelines.yaml; if it is right, open the way from the app "
    "to {host}"
)
_ADVICE: Final = (
    "correct training.service in pipelines.yaml; if it is right, open the way from the app to "
    "{host}, or see whether the service still exists"
)


def training_checks(batch: StudioBatch, training: StudioTraining) -> Iterator[Check]:
    """Yield the checks of a training service.

    Args:
        batch: its client.
        training: the configuration.
    """
    host = urlsplit(training.service).hostname or ""
    name = f"training service {training.identity}"
    advice = _ADVICE.format(host=host)
    yield Check(_SERVICES, name, training.service, partial(_asked, batch), advice)
    if training.connection_string is not None:
        opens = partial(_opens, batch, training)
        yield Check(_SERVICES, f"{name}: connection_string", "", opens, advice)


def _asked(batch: StudioBatch) -> Finding:
    answer = batch.answer_for(_NO_JOB)
    codes = read_refusal(answer, batch.call.clean).codes if not answer.ok else frozenset()
    if answer.ok or (answer.status == _NOT_FOUND and not codes & _NO_SERVICE):
        return ok("it answers, and takes the key")
    raise sort_refusal(answer, "ask for a job that never was", batch.call.clean, write=False)


def _opens(batch: StudioBatch, training: StudioTraining) -> Finding:
    setting = str(training.connection_string)
    connection = batch.call.secrets(setting)
    batch.call.redactor.learn(connection)
    if training.sources:
        require_account(connection, setting, batch.data.account, "the training data")
    require_account(connection, setting, batch.models_account.account, "the container of models")
    return ok("it opens the account that it is used for")


def serving_checks(endpoint: StudioClassicEndpoint, config: StudioEndpoint) -> Iterator[Check]:
    """Yield the check of a Classic endpoint.

    Args:
        endpoint: its client.
        config: the configuration.
    """
    host = urlsplit(config.update).hostname or ""
    name = f"endpoint {config.ref.identity}: read"
    advice = _ENDPOINT_ADVICE.format(host=host)
    yield Check(_ENDPOINTS, name, config.update, partial(_read, endpoint), advice)


def _read(endpoint: StudioClassicEndpoint) -> Finding:
    answer = endpoint.answer()
    if answer.ok:
        return ok("it may be read with its key")
    refusal = read_refusal(answer, endpoint.call.clean)
    if answer.status == _NOT_FOUND and endpoint.create is not None:
        return not_checked("there is none yet: the first promotion makes it")
    if answer.status in _NOT_ALLOWED:
        why = f"its key may not read it ({refusal}); the first update shows whether it may update"
        return not_checked(f"{why}: see that it is the key of this endpoint")
    raise sort_refusal(answer, "read the endpoint", endpoint.call.clean, write=False)
