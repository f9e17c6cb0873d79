"""Versions of models: an idempotent PUT (azure-machine-learning-v2 §4)."""

from copy import deepcopy
from dataclasses import dataclass

from local.azureml.answers import ARM, Answer, Body, RequestBody, Shape, invalid, missing
from local.azureml.state import State, model_id

_SHAPE = Shape.of(
    top="properties",
    properties=(
        "modelType modelUri jobName description tags properties stage flavors isArchived "
        "isAnonymous"
    ),
    read_only="id name type systemData provisioningState",
)


@dataclass
class Models:
    """The registered models of the workspace."""

    state: State

    def put(self, name: str, version: str, body: RequestBody) -> Answer:
        """Register a version, or change its tags; the container is made on the way.

        Args:
            name: of the model.
            version: a text of the caller's.
            body: `properties` with `modelUri` and `modelType`.

        Returns:
            201 or 200, done at once.
        """
        read_only = self.state.switches.read_only_members == "ignored"
        if refused := _SHAPE.unknown(body, read_only=read_only):
            return refused
        own = deepcopy(dict(body["properties"]))
        if not own.get("modelUri"):
            return invalid("modelUri is required.")
        before = self.state.models.get((name, version))
        changed = before is not None and _comparable(before["modelUri"]) != _comparable(
            own["modelUri"]
        )
        if changed and self.state.switches.changed_model_uri == "refused":
            return invalid("modelUri cannot be changed.")
        self.state.models[name, version] = own
        answer = Answer(200, self._shown(name, version))
        if before is not None:
            return answer
        return Answer(201, answer.body, {"Location": f"{ARM}{model_id(name, version)}"})

    def get(self, name: str, version: str) -> Answer:
        """Return a version of a model, or 404."""
        if (name, version) in self.state.models:
            return Answer(200, self._shown(name, version))
        message = f"Model container with name: {name} not found."
        if any(known == name for known, _ in self.state.models):
            message = f"Model {name} has no version {version}."
        return missing(message, "ModelNotFound")

    def _shown(self, name: str, version: str) -> Body:
        shown = deepcopy(self.state.models[name, version])
        shown |= {"provisioningState": "Succeeded", "stage": shown.get("stage", "Development")}
        return {"id": model_id(name, version), "name": version, "properties": shown}


def _comparable(uri: str) -> str:
    """Return a URI for comparing: the letter case counts from `/paths/` on alone."""
    account, paths, rest = uri.partition("/paths/")
    return f"{account.lower()}{paths}{rest}"
