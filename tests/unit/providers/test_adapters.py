"""Which client a pipeline's endpoint gets, and with which key each of its calls is made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_training import StudioTraining
from shared.core.config.studio_types import model_of
from shared.core.serving.references import ServingState
from shared.errors import ConfigError, PermanentError, RelearnError, TransientError
from shared.ports.serving import ServingEndpoint
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Answer
from shared.providers.redacting import RedactingEndpoint
from shared.providers.studio.call import ArmToken
from shared.providers.studio.classic_endpoint import StudioClassicEndpoint
from shared.providers.studio.serving import StudioServing
from shared.providers.studio.web_service import StudioWebService
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.wire import FixedCredential
from tests.unit.samples import BASE, ROWS, UPDATE, tree
from tests.unit.scripted import Script, answering, refuses
from tests.unit.vectors import vector

NEW = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers"
    "/Microsoft.MachineLearning/webServices/census"
)
ENVIRONMENT = {
    "TRAINING_KEY": "dHJhaW5pbmc=",
    "ENDPOINT_KEY": "ZW5kcG9pbnQ=",
    "SCORE_KEY": "c2NvcmluZw==",
    "TOKEN": "dG9rZW4=",
    "OWN_ARM_TOKEN": "b3duLWFybQ==",
    "CONNECTION": "AccountName=a;AccountKey=a2V5",
    "EMPTY": "",
    "NOT_USED": "bm90LXVzZWQ=",
}
CLASSIC: dict[str, Any] = {
    "name": "production",
    "update": UPDATE,
    "resource": "Sample [trained model]",
}
SCORE = f"{BASE}/execute"
DONE = Answer(200, {}, b"")
SHOWS = answering({"ApiLocation": BASE, "PrimaryKey": "b3du"})
KEYS = answering({"primary": "cHJpbWFyeQ=="})
DEFINITION = answering(vector("arm_definition")["body"])


@dataclass
class Wired:
    """Adapters over a service that answers what the test says."""

    answers: list[Answer | RelearnError]
    development: bool = False
    credential: Any = field(default_factory=lambda: FixedCredential("YXJt"))

    def __post_init__(self) -> None:
        self.script = Script(self.answers)
        blobs = FakeBlobs(FakeClock())
        model = blobs.put("models", "runs/sample/sample-1/1/model.ilearner", b"model")
        self.state = ServingState(model=model_of(model))
        self.providers = ConfiguredProviders(
            self.script,
            ENVIRONMENT,
            blobs,
            blobs,
            "models",
            development=self.development,
            token=ArmToken(self.credential),
        )

    def endpoint(self, **written: Any) -> ServingEndpoint:
        context = {"development": self.development}
        return self.providers.serving(StudioEndpoint.model_validate(written, context=context))

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The method of each request, and the key that it was sent with."""
        sent = self.script.sent
        return [(one.method, one.headers["Authorization"].removeprefix("Bearer ")) for one in sent]


def test_each_kind_of_endpoint_gets_its_own_client_and_nothing_is_called() -> None:
    wired = Wired([DONE])
    classic = wired.endpoint(**CLASSIC, api_key="${ENDPOINT_KEY}")
    new = wired.endpoint(name="new", kind="webservice", update=NEW)
    assert isinstance(classic, RedactingEndpoint)
    assert isinstance(new, RedactingEndpoint)
    assert isinstance(classic.endpoint, StudioServing)
    assert isinstance(classic.endpoint.endpoint, StudioClassicEndpoint)
    assert isinstance(new.endpoint, StudioServing)
    assert isinstance(new.endpoint.endpoint, StudioWebService)
    assert new.endpoint.endpoint.resource is None
    assert not wired.script.sent
    assert wired.credential.scopes == []


@pytest.mark.parametrize(
    ("keys", "update", "refresh"),
    [
        ({"api_key": "${ENDPOINT_KEY}"}, "ENDPOINT_KEY", "ENDPOINT_KEY"),
        ({"workspace_token": "${TOKEN}"}, "TOKEN", "TOKEN"),
        ({"api_key": "${ENDPOINT_KEY}", "workspace_token": "${TOKEN}"}, "ENDPOINT_KEY", "TOKEN"),
    ],
)
def test_an_endpoints_own_key_updates_it_and_the_token_does_the_rest(
    keys: dict[str, str], update: str, refresh: str
) -> None:
    wired = Wired([DONE])
    classic = wired.endpoint(**CLASSIC, **keys)
    classic.restore(wired.state)
    classic.restore(ServingState())
    assert wired.keys == [("PATCH", ENVIRONMENT[update]), ("POST", ENVIRONMENT[refresh])]


@pytest.mark.parametrize(
    ("keys", "scored"),
    [
        ({"api_key": "${ENDPOINT_KEY}"}, "ZW5kcG9pbnQ="),
        ({"api_key": "${ENDPOINT_KEY}", "workspace_token": "${TOKEN}"}, "ZW5kcG9pbnQ="),
        ({"workspace_token": "${TOKEN}"}, "b3du"),
    ],
)
@pytest.mark.parametrize("score", [SCORE, None])
def test_scoring_is_never_done_with_the_workspace_token(
    keys: dict[str, str], scored: str, score: str | None
) -> None:
    wired = Wired([SHOWS, DONE])
    wired.endpoint(**CLASSIC, **keys, verify={"score": score, "rows": ROWS}).update_state()
    assert wired.keys[-1] == ("POST", scored)
    assert wired.script.sent[-1].url.startswith(SCORE)


def test_a_key_for_scoring_alone_is_used_for_scoring_alone() -> None:
    verify = {"score": SCORE, "rows": ROWS, "api_key": "${SCORE_KEY}"}
    wired = Wired([SHOWS, DONE])
    wired.endpoint(**CLASSIC, api_key="${ENDPOINT_KEY}", verify=verify).update_state()
    assert wired.keys == [("GET", "ZW5kcG9pbnQ="), ("POST", "c2NvcmluZw==")]


@pytest.mark.parametrize(
    ("create", "made"),
    [
        (True, {"ThrottleLevel": "Low", "MaxConcurrentCalls": None}),
        ({"ThrottleLevel": "High", "MaxConcurrentCalls": 50}, None),
        (False, {}),
    ],
)
def test_an_endpoint_is_made_as_it_is_written_or_not_at_all(
    create: Any, made: dict[str, Any] | None
) -> None:
    wired = Wired([refuses(404, "NotFound"), DONE])
    wired.endpoint(**CLASSIC, workspace_token="${TOKEN}", create=create).ensure()
    if create is False:
        assert not wired.script.sent
        return
    assert wired.keys == [("GET", "dG9rZW4="), ("PUT", "dG9rZW4=")]
    body = wired.script.sent[1].json()
    assert {**body, **(create if made is None else made)} == body


def test_a_new_service_is_reached_with_the_apps_identity_and_scored_with_its_own_key() -> None:
    wired = Wired([DEFINITION, KEYS, DONE])
    wired.endpoint(name="new", kind="webservice", update=NEW, verify={"rows": ROWS}).update_state()
    assert wired.keys == [("GET", "YXJt"), ("GET", "YXJt"), ("POST", "cHJpbWFyeQ==")]
    assert set(wired.credential.scopes) == {"https://management.azure.com/.default"}


def test_a_token_that_is_configured_is_used_instead_of_the_identity_and_never_for_scoring() -> None:
    wired = Wired([DEFINITION, KEYS, DONE])
    written = {"name": "new", "kind": "webservice", "update": NEW, "verify": {"rows": ROWS}}
    wired.endpoint(**written, api_key="${OWN_ARM_TOKEN}").update_state()
    assert wired.keys == [
        ("GET", "b3duLWFybQ=="),
        ("GET", "b3duLWFybQ=="),
        ("POST", "cHJpbWFyeQ=="),
    ]
    assert wired.credential.scopes == []


@pytest.mark.parametrize("key", [None, "${OWN_ARM_TOKEN}"])
def test_a_new_services_key_for_scoring_is_not_asked_for_where_it_is_configured(
    key: str | None,
) -> None:
    wired = Wired([DEFINITION, DONE])
    verify = {"score": SCORE, "rows": ROWS, "api_key": "${SCORE_KEY}"}
    wired.endpoint(
        name="new", kind="webservice", update=NEW, api_key=key, verify=verify
    ).update_state()
    assert [method for method, _ in wired.keys] == ["GET", "POST"]
    assert wired.keys[1] == ("POST", "c2NvcmluZw==")


def test_the_token_is_for_the_cloud_that_the_service_is_in() -> None:
    wired = Wired([DEFINITION])
    update = NEW.replace("management.azure.com", "management.chinacloudapi.cn")
    wired.endpoint(name="new", kind="webservice", update=update).current()
    assert wired.credential.scopes == ["https://management.chinacloudapi.cn/.default"]


class Nobody:
    def get_token(self, *scopes: str, **_: Any) -> Any:
        raise ClientAuthenticationError("no identity")


def test_without_an_identity_nothing_is_sent_and_it_is_tried_again() -> None:
    wired = Wired([DEFINITION], credential=Nobody())
    new = wired.endpoint(name="new", kind="webservice", update=NEW)
    asks: tuple[Callable[[], object], ...] = (
        new.current,
        new.update_state,
        lambda: new.restore(wired.state),
    )
    for ask in asks:
        with pytest.raises(TransientError, match="managed identity"):
            ask()
    assert not wired.script.sent


def test_a_key_whose_setting_is_empty_is_named_and_nothing_is_sent() -> None:
    wired = Wired([DONE])
    with pytest.raises(ConfigError, match="EMPTY"):
        wired.endpoint(**CLASSIC, api_key="${EMPTY}").restore(wired.state)
    with pytest.raises(ConfigError, match="MISSING"):
        wired.endpoint(**CLASSIC, workspace_token="${MISSING}").current()
    assert not wired.script.sent


@pytest.mark.parametrize("development", [True, False])
def test_plain_http_that_a_service_reports_is_for_development_on_loopback_alone(
    *, development: bool
) -> None:
    for location, fine in (("127.0.0.1:8080", development), ("example.org", False)):
        reported = answering({"ApiLocation": f"http://{location}/e", "PrimaryKey": "b3du"})
        wired = Wired([reported, DONE], development=development)
        one = wired.endpoint(**CLASSIC, workspace_token="${TOKEN}", verify={"rows": ROWS})
        if fine:
            one.update_state()
        else:
            with pytest.raises(PermanentError, match="https is required"):
                one.update_state()
        assert len(wired.script.sent) == (2 if fine else 1)


def test_jobs_are_asked_with_their_own_key() -> None:
    wired = Wired([answering([], 404)])
    training = StudioTraining.model_validate(tree()["training"], context={"development": False})
    wired.providers.training(training).state("j1")
    assert wired.keys == [("GET", "dHJhaW5pbmc=")]


def test_the_secrets_of_a_pipeline_are_those_it_names_and_no_others() -> None:
    (endpoint,) = tree()["endpoints"]
    verify = {**endpoint["verify"], "api_key": "${SCORE_KEY}"}
    written = tree(
        training__connection_string="${CONNECTION}",
        endpoints=[
            {**endpoint, "workspace_token": "${TOKEN}", "verify": verify},
            {**endpoint, "name": "b", "update": f"{UPDATE}2", "api_key": "${EMPTY}"},
            {**endpoint, "name": "c", "update": f"{UPDATE}3", "api_key": "${MISSING}"},
        ],
    )
    one = Pipeline.model_validate(written, context={"development": False})
    named = ("TRAINING_KEY", "ENDPOINT_KEY", "SCORE_KEY", "TOKEN", "CONNECTION")
    secrets = Wired([DONE]).providers.secrets_of(one)
    assert set(secrets) == {ENVIRONMENT[name] for name in named}
    assert all(secrets)


def test_a_key_that_is_reported_is_hidden_even_where_it_is_not_used() -> None:
    reported, other = "dG9sZC1ieS10aGUtc2VydmljZQ==", "c2Vjb25kYXJ5LXRvbGQ="
    shows = answering({"ApiLocation": BASE, "PrimaryKey": reported, "SecondaryKey": other})
    table = {"ColumnNames": [f"Scored {reported}"], "Values": [[other], ["1"]]}
    wired = Wired([shows, answering({"Results": {"output1": {"value": table}}})])
    verify = {"rows": ROWS, "score": SCORE, "api_key": "${SCORE_KEY}"}
    check = wired.endpoint(**CLASSIC, api_key="${ENDPOINT_KEY}", verify=verify).update_state()
    assert check.probe is not None
    assert (check.probe.columns, check.probe.rows) == (("Scored ***",), (("***",), ("1",)))


def test_no_setting_is_shown() -> None:
    wired = Wired([DONE])
    shown = repr(wired.providers)
    shown += repr(wired.endpoint(**CLASSIC, api_key="${ENDPOINT_KEY}", workspace_token="${TOKEN}"))
    for value in filter(None, ENVIRONMENT.values()):
        assert value not in shown
