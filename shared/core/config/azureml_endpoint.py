"""A managed online endpoint of Azure Machine Learning, and how it is given a new model."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from shared.core.config.azureml_deployment_file import DeploymentFile
from shared.core.config.azureml_endpoint_parts import (
    AzureMlVerify,
    CreateEndpoint,
    EndpointVersions,
    Traffic,
)
from shared.core.config.azureml_models import AZUREML
from shared.core.config.azureml_names import Workspace, WorkspaceId, workspace_of
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.cross_field import UNKNOWN, UnknownValueError, is_unknown
from shared.core.config.endpoint import ScoringEndpoint
from shared.core.config.pattern import fill, tokens_of
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.training import TrainingConfig
from shared.core.config.types import Duration, parse_duration, show_duration
from shared.core.counting import counted, they
from shared.core.serving.references import EndpointRef
from shared.core.serving.traffic_rules import LATE

#: Names of endpoints and deployments; traffic keys are written in lower case
#: (azure-machine-learning-v2 §5.1).
LEGAL_NAME: Final = re.compile(r"(?=.{3,32}$)[a-z](?:-?[a-z0-9])*")
_NAMES: Final = "3 to 32 lower-case letters, digits and single dashes, a letter first"
#: The same where one letter stands for each token.
_FILLED: Final = re.compile(r"(?=.{1,32}$)[a-z](?:-?[a-z0-9])*")
_TOKEN: Final = re.compile(r"\{[^{}]*\}")
_IN_ID: Final = re.compile(r".*/onlineendpoints/([^/?#]+).*", re.IGNORECASE | re.DOTALL)
_SCORING: Final = re.compile(r"https?://([^/.]+)\.[^/]*inference\.ml\.[^/]*/.*", re.IGNORECASE)
_WITHIN: Final = "5m"
#: The one type of model that has a server of its own is `mlflow_model`.
_NEEDS_A_SCRIPT: Final = "custom_model"


def _checked_name(text: str) -> str:
    if "/" in text:
        raise WrongValueError(*_pasted(text))
    legal = _FILLED if tokens_of(text) else LEGAL_NAME
    if not legal.fullmatch(_TOKEN.sub("x", text)):
        raise WrongValueError("cannot name an endpoint", _NAMES)
    return text


def _pasted(text: str) -> tuple[str, str]:
    """Return what is wrong with an address that stands where a name should, and the advice."""
    lower = text.lower()
    if "/batchendpoints/" in lower or lower.rstrip("/").endswith("/jobs"):
        return "is a batch endpoint, which is not supported yet", "name a managed online endpoint"
    named = _IN_ID.fullmatch(text) or _SCORING.fullmatch(text)
    advice = f"write its name: {named[1]}" if named else "write its name, such as churn"
    return "is the address of an endpoint", advice


def _too_short(traffic: Traffic) -> Iterator[Mistake]:
    """Yield the times that are over before the requests of a step are measured."""
    late = counted(LATE.seconds // 60, "minute")
    if traffic.bake <= LATE:
        needed = counted(traffic.rules.min_requests or 1, "request")
        what = f"a step lasts longer than this, until {needed} were measured"
        yield Mistake(what, f"measures are {late} late", ("traffic", "bake"))
    if traffic.give_up_after <= LATE:
        what = "is over before anything is measured, so each step waits for an operator"
        advice = f"write more than {late}: measures are that late"
        yield Mistake(what, advice, ("traffic", "give_up_after"))


def _too_short_to_compare(traffic: Traffic) -> Iterator[Mistake]:
    """Yield that a step may pass before more errors would show."""
    needed = max(traffic.times_needed.values(), default=traffic.bake)
    if LATE < traffic.bake < needed:
        what = f"a step may pass before more errors show: {traffic.said_times}"
        yield Mistake(what, f"a bake of {show_duration(needed)} is enough", ("traffic", "bake"))


class AzureMlEndpoint(ScoringEndpoint):
    """A managed online endpoint that gets a deployment for each new model."""

    identity_keys: ClassVar[str] = "workspace, endpoint"
    refused_keys: ClassVar[Mapping[str, tuple[str, str]]] = {
        "compute": ("Kubernetes endpoints are not supported yet", "name a managed online endpoint"),
        "batch_endpoint": ("batch endpoints are not supported yet", "name an online endpoint"),
        "score": ("is read from the service", "leave it out"),
        "api_key": ("is read from the service", "leave it out"),
    }

    kind: Literal["azureml"] = Field(description="azureml: a managed online endpoint.")
    workspace: WorkspaceId | None = Field(
        default=None, description="The workspace of the endpoint; by default that of the training."
    )
    endpoint: Annotated[str, AfterValidator(_checked_name)] = Field(
        description="The name of the endpoint; it may hold {tokens} of data.blob."
    )
    deployment: DeploymentFile = Field(
        description="A file that `az ml online-deployment create -f` takes, relative to this one: "
        "the template of every new deployment."
    )
    create: bool | CreateEndpoint = Field(
        default=False,
        description="Create the endpoint if it does not exist: true, or with these values.",
    )
    traffic: Traffic | None = Field(
        default=None, description="The steps of a promotion; without it, one step to 100 %."
    )
    keep_old: Duration = Field(
        default_factory=lambda: parse_duration("1d"),
        description="How long the deployment from before is kept for a quick rollback.",
    )
    verify: AzureMlVerify | None = Field(
        default=None, description="How an update is verified; without it, updates are unproven."
    )
    api_versions: EndpointVersions = Field(
        default_factory=EndpointVersions, description="api-versions, where a cloud has others."
    )

    @property
    def workspace_parts(self) -> Workspace:
        """The workspace, as its calls name it."""
        if self.workspace is None:
            raise UnknownValueError(f"endpoint {self.name} has no workspace")
        return workspace_of(self.workspace)

    @property
    def rows(self) -> dict[str, Any] | None:
        """The probe's request; None: nothing is scored."""
        return self.verify.rows if self.verify else None

    @property
    def within(self) -> timedelta:
        """How long the endpoint may take to answer well."""
        given = self.verify.within if self.verify else None
        return given or parse_duration(_WITHIN)

    @property
    def takes_candidates(self) -> bool:
        """Whether a model can be scored there next to the live one."""
        return True

    @property
    def shows(self) -> bool:
        """Whether a check can recognise an update: its traffic does."""
        return True

    @property
    def address(self) -> str:
        """Where calls to the endpoint go."""
        return f"{self.workspace_parts.url}/onlineEndpoints/{self.endpoint}"

    @property
    def written_urls(self) -> dict[str, str]:
        """The URLs and ids that the file says, by their keys."""
        return {"workspace": self.workspace} if self.workspace else {}

    @property
    def ref(self) -> EndpointRef:
        """The endpoint, as its service identifies it."""
        identity = f"{self.workspace_parts.identity}/onlineendpoints/{self.endpoint.lower()}"
        return EndpointRef(provider=AZUREML, identity=identity, name=self.endpoint)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The `{tokens}` that this endpoint is chosen by."""
        return tokens_of(self.endpoint)

    @property
    def form(self) -> int:
        """The lowest schema version of a record that has this endpoint."""
        return self.traffic.form if self.traffic else 1

    @property
    def notes(self) -> tuple[str, ...]:
        """How long its steps have to last to show what they are to show."""
        said = self.traffic.said_times if self.traffic else ""
        return (f"endpoint {self.name}: {said}",) if said else ()

    def beside(self, training: TrainingConfig) -> "AzureMlEndpoint":
        """Return the endpoint in the workspace of the training, unless it names one."""
        if is_unknown(self.workspace) or self.workspace is not None:
            return self
        if is_unknown(training):
            return self.evolve(workspace=UNKNOWN)
        if not isinstance(training, AzureMlTraining):
            return self
        return self.evolve(workspace=training.workspace)

    def fits(self, training: TrainingConfig) -> Iterator[Mistake]:
        """Yield what keeps the endpoint from serving what is trained there."""
        if not isinstance(training, AzureMlTraining):
            return
        if self.workspace_parts.identity != training.workspace_parts.identity:
            what = "is another workspace than that of the training, where models are registered"
            yield Mistake(what, "leave it out", ("workspace",))
        if self._type_of(training) == _NEEDS_A_SCRIPT and self.deployment.bare:
            what = "the model is a custom_model, which has no server of its own"
            yield Mistake(what, "give environment and code_configuration", ("deployment",))

    def hints(self, training: TrainingConfig) -> Iterator[Mistake]:
        """Yield what its author may not expect."""
        if replaced := self.deployment.replaced_for(self.endpoint):
            what = f"{', '.join(replaced)} {they(len(replaced), 'is', 'are')} replaced"
            yield Mistake(what, "each deployment gets its own", ("deployment",))
        if self.deployment.bare and self._type_of(training) is None:
            what = "has no environment and no code_configuration: only MLflow models need none"
            yield Mistake(what, "say `type: mlflow_model` under register_as", ("deployment",))
        if self.traffic and self.traffic.rules.need_data:
            yield from _too_short(self.traffic)
            yield from _too_short_to_compare(self.traffic)

    def _type_of(self, training: TrainingConfig) -> str | None:
        """Return the type of its model; None where it is known only once there is one."""
        if not isinstance(training, AzureMlTraining):
            return None
        models = training.models
        output = self.model or (models[0] if len(models) == 1 else "")
        registered = training.register_as.get(output)
        return registered.type if registered else None

    def chosen_by(self, tokens: Mapping[str, str]) -> "AzureMlEndpoint":
        """Return the endpoint that `tokens` choose.

        Raises:
            ValueError: the name that they make is not legal.
        """
        if not self.tokens:
            return self
        name = fill(self.endpoint, tokens)
        if not LEGAL_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name an endpoint: {_NAMES}")
        return self.evolve(endpoint=name)
