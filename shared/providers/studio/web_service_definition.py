"""The definition of a New web service: its trained models, found and exchanged.

See studio-classic §4.

Keys of assets such as `asset3` are not stable, and published examples differ in the case of
member names; so everything is found by its content, and names are read without case.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from shared.core.config.studio_types import MODEL_SUFFIX
from shared.core.counting import counted
from shared.errors import PermanentError

_TRAINED: Final = "[trained model]"

Definition = dict[str, Any]


def member(holder: object, *path: str) -> Any:
    """Return the member at `path`, in any case of its names; None where there is none.

    Args:
        holder: a part of the definition.
        path: the names on the way to the member.
    """
    for name in path:
        if not isinstance(holder, Mapping):
            return None
        key = _key(holder, name)
        holder = None if key is None else holder[key]
    return holder


def trained_models(definition: Definition) -> dict[str, str]:
    """Return the name of each trained model in the definition, and the URI it is read from."""
    return {name: _uri(asset) for name, asset in _models(definition)}


def chosen_model(definition: Definition, resource: str | None) -> tuple[str, str]:
    """Return the name and URI of the trained model that `resource` names.

    Args:
        definition: the definition of the service.
        resource: the name of the model; None: the only one.

    Raises:
        PermanentError: it does not exist, or there are several and none is named.
    """
    known = trained_models(definition)
    if not known and member(definition, "properties", "payloadsInBlobStorage"):
        raise PermanentError(
            "the service keeps its definition in blob storage and does not show its assets: "
            "it cannot be updated from here"
        )
    if resource is not None:
        if resource not in known:
            raise PermanentError(f"{_none_such(resource)}; it has {_listed(known)}")
        return resource, known[resource]
    if len(known) != 1:
        raise PermanentError(
            f"the web service has {counted(len(known), 'trained model')} ({_listed(known)}): "
            "name one as `resource` of the endpoint; a service without any is not a predictive one"
        )
    return next(iter(known.items()))


def with_model(definition: Definition, name: str, uri: str) -> Definition:
    """Return the whole definition with trained model `name` read from `uri`.

    Args:
        definition: the definition of the service.
        name: the name of the trained model.
        uri: the URI of its blob.
    """
    changed = deepcopy(definition)
    for found, asset in _models(changed):
        if found == name:
            location = member(asset, "locationInfo")
            if not isinstance(location, dict):
                asset["locationInfo"] = {"uri": uri}
            else:
                location[_key(location, "uri") or "uri"] = uri
    return changed


def _models(definition: Definition) -> Iterator[tuple[str, dict[str, Any]]]:
    assets = member(definition, "properties", "assets")
    for asset in assets.values() if isinstance(assets, dict) else ():
        if str(member(asset, "type")).lower() != "resource":
            continue
        name = str(member(asset, "name") or "")
        model = _uri(asset).partition("?")[0].lower().endswith(MODEL_SUFFIX)
        if model or name.lower().rstrip().endswith(_TRAINED):
            yield name, asset


def _uri(asset: object) -> str:
    return str(member(asset, "locationInfo", "uri") or "")


def _key(holder: Mapping[str, Any], name: str) -> str | None:
    if name in holder:
        return name
    return next((key for key in holder if key.lower() == name.lower()), None)


def _none_such(resource: str) -> str:
    return f"the web service has no trained model {resource!r}: correct `resource`"


def _listed(known: Mapping[str, str]) -> str:
    return ", ".join(repr(name) for name in known) or "none"
