"""Versions of models: an idempotent PUT (azure-machine-learning-v2 §4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from local.azureml.answers import (
    ARM,
    BEGINNING,
    CREATED,
    OK,
    WORKSPACE,
    Answer,
    Body,
    RequestBody,
    copied,
    invalid,
    missing,
    resource,
    unknown_member,
)
from local.azureml.assets import container, viewed
from local.azureml.bodies import ModelVersion, bad_body, texts
from local.azureml.state import State, model_id


@dataclass
class Models:
    """The registered models of the workspace."""

    state: State
    _created: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def put(self, name: str, version: str, body: RequestBody, api: str = "") -> Answer:
        """Register a version, or change its tags; the container is made on the way.

        Args:
            name: of the model.
            version: a text of the caller's.
            body: `properties` with `modelUri` and `modelType`.
            api: the api-version.

        Returns:
            201 or 200, done at once.
        """
        if refused := bad_body(ModelVersion, body, api):
            return refused
        own = copied(dict(body["properties"]))
        own |= {kind: texts(own[kind]) for kind in ("tags", "properties") if kind in own}
        if own.pop("provisioningState", None) and self._strict:
            return unknown_member("provisioningState", "ModelVersion")
        before = self.state.models.get((name, version))
        changed = before is not None and _comparable(before["modelUri"]) != _comparable(
            own["modelUri"]
        )
        if changed and self.state.switches.changed_model_uri == "refused":
            return invalid("modelUri cannot be changed.")
        if before is not None and before.get("isArchived") and not own.get("isArchived"):
            own["stage"] = "Development"
        self.state.models[name, version] = own
        self._created.setdefault((name, version), self.state.clock.now())
        answer = Answer(OK, self._shown(name, version))
        if before is not None:
            return answer
        return Answer(CREATED, answer.body, {"Location": f"{ARM}{model_id(name, version)}"})

    @property
    def _strict(self) -> bool:
        return self.state.switches.read_only_members == "refused"

    def get(self, name: str, version: str) -> Answer:
        """Return a version of a model, or 404."""
        if (name, version) in self.state.models:
            return Answer(OK, self._shown(name, version))
        if self._versions(name):
            return missing(f"Model {name} has no version {version}.", "ModelNotFound")
        return self._no_model(name)

    def page(self, name: str, query: Mapping[str, str]) -> Answer:
        """Return versions, the newest first.

        Args:
            name: of the model.
            query: `$top`, `listViewType`.

        Returns:
            The versions; 404 for a name that is not known.
        """
        versions = self._versions(name)
        if not versions:
            return self._no_model(name)
        view = query.get("listViewType", "ActiveOnly")
        found = [
            self._shown(name, version)
            for version in reversed(versions)
            if viewed(view, archived=bool(self.state.models[name, version].get("isArchived")))
        ]
        return Answer(OK, {"value": found[: int(query.get("$top", len(found)))]})

    def container(self, name: str) -> Answer:
        """Return what all versions of a model share, or 404."""
        if not (versions := self._versions(name)):
            return self._no_model(name)
        return Answer(OK, container(f"{WORKSPACE}/models/{name}", versions))

    def containers(self) -> Answer:
        """Return every model."""
        names = dict.fromkeys(name for name, _ in self.state.models)
        return Answer(OK, {"value": [self.container(name).body for name in names]})

    def _versions(self, name: str) -> list[str]:
        return [version for known, version in self.state.models if known == name]

    def _no_model(self, name: str) -> Answer:
        general = "The specified resource was not found."
        answer = missing(general, "ModelNotFound")
        message = f"Model container with name: {name} not found."
        answer.body["error"]["details"][0]["message"] = message
        return answer

    def _shown(self, name: str, version: str) -> Body:
        own = copied(self.state.models[name, version])
        archived = bool(own.get("isArchived"))
        stage = "Archived" if archived else own.get("stage") or "Development"
        about: Body = {"description": None, "tags": {}, "properties": {}, "flavors": {}}
        about |= {"isAnonymous": False, "jobName": None, "autoDeleteSetting": None}
        added = {"provisioningState": "Succeeded", "stage": stage, "isArchived": archived}
        made = self._created.get((name, version), BEGINNING)
        return resource(model_id(name, version), about | own | added, made)


def _comparable(uri: str) -> str:
    """Return a URI for comparing: the letter case counts only after `/paths/`."""
    account, paths, rest = uri.partition("/paths/")
    return f"{account.lower()}{paths}{rest}"
