"""Shared state of the Azure Machine Learning services in one process; calls nothing.

One of these is built for a process. It makes the service for each part of the configuration, for
any workspace and cloud.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from functools import partial

from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_names import Workspace
from shared.core.config.azureml_parts import ApiVersions
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.setting_references import resolve
from shared.core.redaction import Redactor
from shared.core.service import service
from shared.ports.serving import ServingEndpoint
from shared.providers.azureml.call import AzureMlCall, Memory
from shared.providers.azureml.endpoint_calls import EndpointCalls
from shared.providers.azureml.job_planner import Storage
from shared.providers.azureml.jobs import AzureMlJobs
from shared.providers.azureml.serving import AzureMlServing
from shared.providers.azureml.tokens import Tokens, scopes_of
from shared.providers.http.client import Http

__all__ = ["AzureMlConnections", "Storage", "Tokens"]


@service
class AzureMlConnections:
    """Makes the services of workspaces.

    Args:
        http: sends requests that are answered at once.
        slow: sends writes, and waits a minute for their answers.
        environment: the app settings.
        storage: the accounts of data and outputs.
        development: whether plain http on loopback may be called.
        tokens: gets tokens by the app's identity.
        memory: what this process knows of workspaces.
        redactor: learns every token that is sent.
    """

    http: Http
    slow: Http
    environment: Mapping[str, str]
    storage: Storage
    development: bool = False
    tokens: Tokens = field(default_factory=Tokens)
    memory: Memory = field(default_factory=Memory)
    redactor: Redactor = field(default_factory=Redactor)

    def training(self, training: AzureMlTraining) -> AzureMlJobs:
        """Return the service that trains.

        Raises:
            ConfigError: the workspace is in a cloud that no setting describes.
        """
        return AzureMlJobs(
            call=self.call(training.workspace_parts, training.api_versions),
            training=training,
            storage=self.storage,
            secrets=partial(resolve, self.environment),
            memory=self.memory,
        )

    def serving(self, endpoint: AzureMlEndpoint) -> ServingEndpoint:
        """Return the online endpoint.

        Raises:
            ConfigError: the workspace is in a cloud that no setting describes.
        """
        return AzureMlServing(self.serving_calls(endpoint))

    def serving_calls(self, endpoint: AzureMlEndpoint) -> EndpointCalls:
        """Return the calls of an online endpoint. Raises as `serving`."""
        call = self.call(endpoint.workspace_parts, ApiVersions())
        return EndpointCalls(replace(call, part="endpoints[]"), endpoint, self.memory)

    def call(self, workspace: Workspace, versions: ApiVersions) -> AzureMlCall:
        """Return the calls of one workspace.

        Args:
            workspace: the workspace.
            versions: the api-version for each kind of resource.

        Raises:
            ConfigError: it is in a cloud that no setting describes.
        """
        return AzureMlCall(
            http=self.http,
            slow=self.slow,
            tokens=self.tokens,
            scopes=scopes_of(workspace, self.environment),
            workspace=workspace,
            versions=versions,
            redactor=self.redactor,
            development=self.development,
        )
