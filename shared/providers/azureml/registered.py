"""Reads what is registered in a workspace: components, their newest versions, computes, jobs.

See azure-machine-learning-v2 §2.1, §2.2. A version never changes, so each is read once.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from shared.core.config.azureml_names import Asset, asset_of, compute_id, escaped_name
from shared.core.service import service
from shared.errors import PermanentError, TransientError
from shared.providers.azureml.bodies import ComponentSpec
from shared.providers.azureml.call import (
    AzureMlCall,
    Body,
    Memory,
    items_in,
    mapping_of,
    properties_of,
)

_NEWEST_FIRST: Final = "&$orderBy=createdtime%20desc&$top=1"
_MAKE: Final = {
    "components": "register it with `az ml component create -f`",
    "data": "register it with `az ml data create -f`",
    "models": "see `az ml model list`",
}


@service
class RegisteredAssets:
    """The assets of one workspace that a job names.

    Args:
        call: calls the workspace.
        memory: what was read before by this process.
    """

    call: AzureMlCall
    memory: Memory

    def fixed(self, asset: Asset, kind: str = "components") -> Asset:
        """Return an asset in a fixed version: the newest one where that is asked for.

        Args:
            asset: the asset.
            kind: what it is, as URLs have it.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: there is no version.
        """
        if not asset.newest:
            return asset
        version = getattr(self.call.versions, kind)
        path = f"{kind}/{escaped_name(asset.name)}/versions"
        url = self.call.url(path, version, _NEWEST_FIRST)
        what = f"find the newest version of {asset.name}"
        page = self.call.found(url, what)
        listed = items_in(page, what) if page is not None else []
        found = [one for one in listed if not _is_archived(one)]
        if not found:
            raise _missing(f"{asset}: there is no version of it in the workspace", kind)
        # Asked for in this order; a service that ignores that still dates each version.
        newest = max(found, key=_created)
        return replace(asset, version=str(newest.get("name") or ""))

    def component(self, asset: Asset) -> ComponentSpec:
        """Return what a component in a fixed version says of itself.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: there is no such version.
        """
        key = ("component", self.call.workspace.identity, asset.name, asset.version)
        if (known := self.memory.known(key, ComponentSpec)) is not None:
            return known
        path = f"components/{escaped_name(asset.name)}/versions/{escaped_name(asset.version)}"
        url = self.call.url(path, self.call.versions.components)
        resource = self.call.found(url, f"GET component {asset}")
        if resource is None:
            raise _missing(f"the workspace has no component {asset}", "components")
        try:
            made = ComponentSpec.of(properties_of(resource).get("componentSpec"))
        except ValueError as exc:
            raise TransientError(f"GET component {asset}: {exc}") from None
        if made.runs:
            self.memory.keep(key, made)
        return made

    def require_compute(self, compute: str | None) -> None:
        """Make sure that a named compute is there and of a kind that is supported.

        Args:
            compute: as it is configured; None: that of the component, file or job.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: it is not there, or of Kubernetes.
        """
        found = compute_id(compute, self.call.workspace) if compute else None
        if found is None:
            return
        key = ("compute", self.call.workspace.identity, found.lower())
        if self.memory.known(key, str) is not None:
            return
        name = found.rpartition("/")[2]
        url = self.call.url(f"computes/{escaped_name(name)}", self.call.versions.computes)
        answer = self.call.any_answer(url)
        if answer.status == HTTPStatus.FORBIDDEN:
            return  # a role may allow jobs and not this; another call names a role that is missing
        if answer.status == HTTPStatus.NOT_FOUND:
            advice = "correct training.compute, or make it with `az ml compute create`"
            raise PermanentError(f"the workspace has no compute {name!r}: {advice}", advice=advice)
        resource = self.call.object_in(answer, f"GET compute {name}")
        kind = str(properties_of(resource).get("computeType") or "")
        if kind.lower() in ("kubernetes", "aks"):
            advice = "name a compute cluster, or serverless, as training.compute"
            raise PermanentError(f"compute {name}: Kubernetes is not supported yet: {advice}")
        self.memory.keep(key, kind)

    def job(self, name: str) -> Body:
        """Return the properties of a job that ran once.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: there is no such job.
        """
        found = self.known_job(name)
        if found is None:
            advice = "name a job that `az ml job show` finds as training.like"
            raise PermanentError(
                f"the workspace has no job {name!r} to copy: {advice}", advice=advice
            )
        return found

    def known_job(self, name: str) -> Body | None:
        """Return the properties of a job; None where there is none. Raises as `job`."""
        url = self.call.url(f"jobs/{escaped_name(name)}", self.call.versions.jobs)
        resource = self.call.found(url, f"GET job {name}")
        return None if resource is None else properties_of(resource)

    def fixed_file(self, job: Mapping[str, Any]) -> Body:
        """Return a job file with a fixed version for each component and each data asset.

        Raises TransientError, PermanentError.
        """
        own = self._fixed_inputs(job)
        steps = job.get("jobs")
        if not isinstance(steps, Mapping):
            return own
        fixed = {}
        for name, step in steps.items():
            asset = self.fixed(asset_of(str(step.get("component"))))
            fixed[name] = {**self._fixed_inputs(step), "component": str(asset)}
        return {**own, "jobs": fixed}

    def fixed_uri(self, uri: str) -> str:
        """Return a URI, with a fixed version where it names the newest of a data asset.

        Raises TransientError, PermanentError.
        """
        if not uri.endswith("@latest") or uri.startswith("azureml://"):
            return uri
        return str(self.fixed(asset_of(uri, "data asset"), "data"))

    def _fixed_inputs(self, holder: Mapping[str, Any]) -> Body:
        inputs = holder.get("inputs")
        if not isinstance(inputs, Mapping):
            return dict(holder)
        fixed = {
            name: {**one, "path": self.fixed_uri(one["path"])}
            if isinstance(one, Mapping) and isinstance(one.get("path"), str)
            else one
            for name, one in inputs.items()
        }
        return {**holder, "inputs": fixed}


def _missing(what: str, kind: str) -> PermanentError:
    advice = f"{_MAKE[kind]}, or correct the name"
    return PermanentError(f"{what}: {advice}", advice=advice)


def _is_archived(resource: Mapping[str, Any]) -> bool:
    return properties_of(resource).get("isArchived") is True


def _created(resource: Mapping[str, Any]) -> str:
    return str(mapping_of(resource.get("systemData")).get("createdAt") or "")
