"""The live model and the anchor in the request of a job, at both services."""

import pytest

from shared.core.config.azureml_models import registered_model
from shared.core.config.azureml_names import Asset, workspace_of
from shared.core.config.studio_types import model_of
from shared.core.decisions.comparison import Opponent
from shared.core.serving.references import ModelRef
from shared.errors import PermanentError
from tests.fakes.blobs import ACCOUNT
from tests.unit.batches import JOB, batch, request
from tests.unit.providers.azureml.service import WS, Bench, component
from tests.unit.samples import MODEL, MODEL_BLOB
from tests.unit.scripted import answering

STUDIO = {"parameters": {"Live model": "{live.model}", "Anchor": "{anchor.model}", "n": 3}}
FILES = "azureml://datastores/modelstore/paths/runs/census/x/1/model"


def sent(models: dict[Opponent, ModelRef], **asked: object) -> dict[str, object]:
    service, script = batch(answering(JOB))
    service.prepare(
        request(training=STUDIO, parameters={**STUDIO["parameters"], **asked}, models=models)
    )
    found: dict[str, object] = script.sent[0].json()["GlobalParameters"]
    return found


def test_at_studio_a_job_gets_the_signed_url_of_the_model() -> None:
    given = sent({"live": MODEL})

    url = str(given.pop("Live model"))
    assert url.startswith(f"{ACCOUNT.rstrip('/')}/{MODEL_BLOB.path}?")
    assert "sp=r&" in url
    assert "se=2026-03-01T15%3A00%3A00" in url  # the timeout, and an hour
    assert given == {"n": 3}  # there is no anchor: the experiment has a default


@pytest.mark.parametrize(
    "place", [{"container": "secrets"}, {"name": "keys/x.ilearner"}, {"name": "runs/../x.ilearner"}]
)
def test_at_studio_nothing_but_a_model_is_signed_for_a_job(place: dict[str, str]) -> None:
    other = model_of(MODEL_BLOB.evolve(**place))
    with pytest.raises(PermanentError, match="is not a model of the app"):
        sent({"live": other})


def test_at_studio_a_value_of_the_request_is_sent_as_it_is() -> None:
    assert sent({"live": MODEL}, **{"Live model": "https://other", "Anchor": "x"}) == {
        "Live model": "https://other",
        "Anchor": "x",
        "n": 3,
    }


def test_a_preview_for_studio_shows_no_signature() -> None:
    service, script = batch()
    shown = service.preview(
        request(training=STUDIO, parameters=STUDIO["parameters"], models={"live": MODEL})
    )

    url = shown["body"]["GlobalParameters"]["Live model"]
    assert url.endswith(f"{MODEL_BLOB.path}?<signed to read when it is sent>")
    assert script.sent == []


def registered(**known: str) -> ModelRef:
    return registered_model(Asset("churn", "7"), workspace_of(WS), **known)


def bench(kind: str, **input_: str) -> Bench:
    made = Bench(inputs={"training_data": "{data}", "live": {"path": "{live.model}", **input_}})
    spec = component()["properties"]["componentSpec"]
    spec["inputs"] |= {"live": {"type": kind, "optional": "True"}}
    made.workspace.resources["components/train-census/versions/3"]["properties"][
        "componentSpec"
    ] = spec
    return made


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        ("mlflow_model", {}, {"jobInputType": "mlflow_model"}),
        ("uri_folder", {}, {"jobInputType": "uri_folder", "mode": "ReadOnlyMount"}),
        (
            "custom_model",
            {"mode": "download"},
            {"jobInputType": "custom_model", "mode": "Download"},
        ),
        ("", {}, {"jobInputType": "mlflow_model"}),
    ],
)
def test_at_azure_machine_learning_a_job_gets_the_place_of_the_files(
    kind: str, given: dict[str, str], wanted: dict[str, str]
) -> None:
    made = bench(kind, **given)
    asked = made.request(models={"live": registered(type="mlflow_model", uri=FILES)})
    made.service.ensure_started(made.service.prepare(asked), asked)

    assert made.body()["inputs"]["live"] == {**wanted, "uri": FILES}


def test_an_input_without_a_model_is_left_out() -> None:
    made = bench("mlflow_model")
    asked = made.request()
    made.service.ensure_started(made.service.prepare(asked), asked)

    assert set(made.body()["inputs"]) == {"training_data"}


def test_a_component_that_needs_the_model_says_so() -> None:
    made = bench("mlflow_model")
    spec = made.workspace.resources["components/train-census/versions/3"]["properties"]
    spec["componentSpec"]["inputs"]["live"]["optional"] = "False"
    with pytest.raises(PermanentError, match="needs the input 'live': make it optional"):
        made.service.prepare(made.request())


def test_a_model_without_known_files_cannot_be_given() -> None:
    made = bench("mlflow_model")
    with pytest.raises(
        PermanentError, match="the place of the files of azureml:churn:7 is unknown"
    ):
        made.service.prepare(made.request(models={"live": registered()}))
