"""Builds the provider that a part of the configuration asks for by its kind; calls nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.kinds import Endpoint, Training
from shared.core.config.pipeline import Pipeline
from shared.core.config.setting_references import resolve
from shared.core.config.stored_pipeline import settings_of
from shared.core.config.studio_endpoint import Create, StudioEndpoint
from shared.core.config.studio_training import StudioTraining
from shared.core.config.studio_urls import require_https
from shared.core.redaction import Redactor
from shared.core.service import service
from shared.ports.serving import ServingEndpoint
from shared.ports.storage import Blobs
from shared.ports.training import TrainingService
from shared.providers.http.client import Http
from shared.providers.redacting import RedactingEndpoint, RedactingTraining
from shared.providers.studio.batch import StudioBatch
from shared.providers.studio.call import ArmToken, StudioCall
from shared.providers.studio.classic_endpoint import StudioClassicEndpoint
from shared.providers.studio.serving import Baselines, StudioServing
from shared.providers.studio.web_service import StudioWebService

if TYPE_CHECKING:
    from shared.ports.checks import Check
    from shared.providers.azureml.connections import AzureMlConnections
    from shared.providers.azureml.tokens import Tokens


@service
class ConfiguredProviders:
    """The `Providers` port for Studio's services, and for Azure Machine Learning."""

    http: Http
    environment: Mapping[str, str]
    data: Blobs
    models: Blobs
    models_container: str
    development: bool = False  #: whether plain http on loopback may be called
    token: ArmToken = field(default_factory=ArmToken)
    redactor: Redactor = field(default_factory=Redactor)
    slow: Http | None = None  #: for writes that take long; None: the same as others
    elsewhere: Callable[[str], Blobs] | None = None  #: another account, by the app's identity
    tokens: "Tokens | None" = None  #: of Azure Machine Learning; None: by the app's identity
    _azureml: "list[AzureMlConnections]" = field(default_factory=list)

    def training(self, training: Training) -> TrainingService:
        """Return the service that trains."""
        if isinstance(training, AzureMlTraining):
            jobs_of_workspace = self._workspaces().training(training)
            return RedactingTraining(jobs_of_workspace, self.redactor)
        return RedactingTraining(self._batch(training), self.redactor)

    def training_checks(self, training: Training) -> "Sequence[Check]":
        """Return the checks of a training service. Raises ConfigError."""
        # Only doctor needs these, and importing the app stays as cheap as it was.
        if isinstance(training, AzureMlTraining):
            from shared.providers.azureml import checks as of_workspace  # noqa: PLC0415

            return tuple(of_workspace.training_checks(self._workspaces().training(training)))
        from shared.providers.studio import checks as of_studio  # noqa: PLC0415

        return tuple(of_studio.training_checks(self._batch(training), training))

    def serving_checks(self, endpoint: Endpoint) -> "Sequence[Check]":
        """Return the checks of an endpoint's dependencies. Raises ConfigError."""
        if not isinstance(endpoint, AzureMlEndpoint):
            from shared.providers.studio import checks as of_studio  # noqa: PLC0415

            classic = endpoint.kind != "webservice"
            made = of_studio.serving_checks(self._classic(endpoint), endpoint) if classic else ()
            return tuple(made)
        from shared.providers.azureml import checks as of_workspace  # noqa: PLC0415

        return tuple(of_workspace.serving_checks(self._workspaces().serving_calls(endpoint)))

    def _batch(self, training: StudioTraining) -> StudioBatch:
        call = self._call(training.api_key)
        return StudioBatch(call, training.service, self.data, self.models, self.models_container)

    def _workspaces(self) -> "AzureMlConnections":
        """Return what the services of workspaces share, made on first use."""
        if not self._azureml:
            # Only where a pipeline trains there: importing the app stays as cheap as it was.
            from shared.providers.azureml import connections  # noqa: PLC0415

            storage = connections.Storage(
                self.data, self.models, self.models_container, self.elsewhere
            )
            made = connections.AzureMlConnections(
                self.http,
                self.slow or self.http,
                self.environment,
                storage,
                development=self.development,
                tokens=self.tokens or connections.Tokens(),
                redactor=self.redactor,
            )
            self._azureml.append(made)
        return self._azureml[0]

    def serving(self, endpoint: Endpoint) -> ServingEndpoint:
        """Return the scoring endpoint, of any kind."""
        if isinstance(endpoint, AzureMlEndpoint):
            return RedactingEndpoint(self._workspaces().serving(endpoint), self.redactor)
        new = endpoint.kind == "webservice"
        client = self._web_service(endpoint) if new else self._classic(endpoint)
        baselines = Baselines(
            self.models, self.models_container, endpoint.ref, endpoint.resource_name, named_only=new
        )
        serving = StudioServing(client, baselines, endpoint.name, endpoint.resource)
        return RedactingEndpoint(serving, self.redactor)

    def _classic(self, endpoint: StudioEndpoint) -> StudioClassicEndpoint:
        key = endpoint.key or ""
        token = endpoint.workspace_token
        create = endpoint.create if isinstance(endpoint.create, Create) else None
        return StudioClassicEndpoint(
            call=self._call(key),
            scoring=self._score_call(endpoint),
            update_url=endpoint.update,
            resource=endpoint.resource_name,
            verify=endpoint.verify,
            models=self.models,
            models_container=self.models_container,
            allowed=self._allowed,
            manage=self._call(token) if token else None,
            create=create,
        )

    def secrets_of(self, pipeline: Pipeline) -> tuple[str, ...]:
        """Return the values of the app settings that the pipeline refers to, where set."""
        names = settings_of(pipeline)
        return tuple(self.environment[name] for name in names if self.environment.get(name))

    def _web_service(self, endpoint: StudioEndpoint) -> StudioWebService:
        url = endpoint.update
        call = StudioCall(self.http, lambda _: self.token(url), "", self.redactor)
        return StudioWebService(
            call=self._call(endpoint.api_key) if endpoint.api_key else call,
            update_url=url,
            resource=endpoint.resource,
            verify=endpoint.verify,
            models=self.models,
            allowed=self._allowed,
            scoring=self._score_call(endpoint.evolve(api_key=None)),
        )

    def _score_call(self, endpoint: StudioEndpoint) -> StudioCall | None:
        """Return the call with the key for scoring; None where the service says it."""
        given = endpoint.verify.api_key if endpoint.verify else None
        key = given or endpoint.api_key
        return self._call(key) if key else None

    def _allowed(self, url: str) -> str:
        return require_https(url, development=self.development)

    def _call(self, api_key: str) -> StudioCall:
        return StudioCall(self.http, partial(resolve, self.environment), api_key, self.redactor)
