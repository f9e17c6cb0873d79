"""Registers examples/azureml in a workspace, as `az ml component create` does from its files."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from local.azureml.answers import WORKSPACE, Body
from local.azureml.places import DEFAULT

if TYPE_CHECKING:  # who wants no more than a name imports no workspace
    from local.azureml.service import AzureMl

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "azureml"
COMPUTE: Final = "cpu-cluster"
COMPONENT: Final = "train_census"
_STEP, _PIPELINE = "train.component.yml", "pipeline.component.yml"
#: What a specification has in its asset, not in itself.
_ELSEWHERE: Final = frozenset({"$schema", "code", "environment", "description", "tags"})


def publish_sample(service: "AzureMl") -> dict[str, str]:
    """Register environment, code and components, and make the compute.

    Args:
        service: the workspace.

    Returns:
        The ids of the pipeline component and of its parts.
    """
    environment = _read("environment.yml")
    conda = json.dumps(environment["conda_file"])  # JSON is YAML
    made = {
        "environment": service.hooks.add_asset(
            "environments",
            environment["name"],
            environment["version"],
            {"image": environment["image"], "condaFile": conda},
        ),
        "code": _upload_code(service, environment["name"]),
    }
    step, pipeline = _read(_STEP), _read(_PIPELINE)
    about = {"code": made["code"], "environment": made["environment"]}
    made["step"] = service.hooks.add_asset(
        "components", step["name"], step["version"], {"componentSpec": _spec(step) | about}
    )
    jobs = {name: _node(name, node, made["step"]) for name, node in pipeline["jobs"].items()}
    made["component"] = service.hooks.add_asset(
        "components",
        pipeline["name"],
        pipeline["version"],
        {"componentSpec": _spec(pipeline) | {"jobs": jobs}},
    )
    service.hooks.add_compute(COMPUTE)
    return made | {"compute": f"{WORKSPACE}/computes/{COMPUTE}"}


def snippet(url: str) -> str:
    """Return what a pipelines file says of the sample, for a workspace that is served at a URL."""
    training = {
        "kind": "azureml",
        "workspace": f"{url}{WORKSPACE}",
        "component": f"azureml:{COMPONENT}:1",
        "inputs": {"training_data": "{data}", "regularization": 0.5},
        "outputs": {"model": "model", "evaluation": "evaluation"},
        "compute": COMPUTE,
    }
    rules = [{"metric": "AUC", "at_least": 0.8}]
    pipeline = {
        "data": {"blob": "census/{name}.csv"},
        "training": training,
        "gate": {"metrics": "evaluation", "rules": rules},
    }
    return yaml.safe_dump({"pipelines": {"census": pipeline}}, sort_keys=False)


def _upload_code(service: "AzureMl", name: str) -> str:
    files, store = service.files, service.datastores.all[DEFAULT]
    folder = f"code/{name}/1"
    for file in sorted((EXAMPLES / "src").glob("*.py")):
        files.write(store.container, f"{folder}/{file.name}", file.read_bytes())
    base = f"{files.protocol}://{files.account}.blob.{files.endpoint}/{store.container}"
    return service.hooks.add_asset("codes", name, "1", {"codeUri": f"{base}/{folder}"})


def _spec(component: Body) -> Body:
    return {name: one for name, one in component.items() if name not in _ELSEWHERE}


def _node(name: str, node: Body, component: str) -> Body:
    return {
        "name": name,
        "type": node["type"],
        "componentId": component,
        "inputs": {
            key: {"job_input_type": "literal", "value": one} for key, one in node["inputs"].items()
        },
        "outputs": {key: {"type": "literal", "value": one} for key, one in node["outputs"].items()},
        "_source": "YAML.COMPONENT",
    }


def _read(name: str) -> Any:
    return json.loads(_as_json((EXAMPLES / name).read_text(encoding="utf-8")))


@cache
def _as_json(text: str) -> str:
    """Return YAML as JSON, which is read a hundred times as fast: tests make many workspaces."""
    return json.dumps(yaml.safe_load(text))
