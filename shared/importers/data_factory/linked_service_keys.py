"""Reports the keys of a linked service of type AzureML, and those that each type has."""

from typing import Final

from shared.core.secret_shapes import without_bare, without_shapes
from shared.importers.data_factory.account import Element, is_empty
from shared.importers.data_factory.drafts import Service
from shared.importers.data_factory.other_activities import set_aside
from shared.importers.data_factory.reading.definitions import Definition
from shared.importers.data_factory.secrets import (
    Secrets,
    not_needed,
)
from shared.importers.data_factory.service_urls import (
    WEB_SERVICE,
    ServiceUrl,
)

#: What reports call such a definition.
KIND: Final = "linked service"
_ASIDE: Final = ("description", "annotations", "hubName", "version", "provisioningState")
_SIGNS_IN: Final = (
    "give the app's identity Contributor on the web service, or let the app sign in as this "
    "principal: AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
)
_BY_KEY: Final = "a Classic endpoint is updated with its own key"
_NO_UPDATE: Final = "nothing is updated by this linked service"


def report_service(
    definition: Definition, found: Service, urls: tuple[ServiceUrl, ServiceUrl], secrets: Secrets
) -> None:
    """Report a batch service: its URLs, how it is called, and where it is in the pipelines file.

    Args:
        definition: the linked service.
        found: what was read from it.
        urls: those of its jobs and of its updates, as they were read.
        secrets: collects the names of app settings.
    """
    jobs, update = urls
    body, typed = definition.body, report_common(definition)
    _report_url(typed, "mlEndpoint", jobs)
    _report_url(typed, "updateResourceEndpoint", update)
    _report_sign_in(typed, found, secrets)
    places = ["training.service of each job that names it"] if found.jobs_url else []
    if found.update_url:
        kind = found.endpoint_kind
        places.append(f"endpoints.update, with kind {kind}, of each update that names it")
    if not places:
        text, to_do = "none of its URLs can be used", "see the lines of its keys, and import again"
        body.left(KIND, found.name, text, to_do)
    else:
        body.mapped(KIND, found.name, " and ".join(places))


def _report_url(typed: Element, key: str, read: ServiceUrl) -> None:
    element = typed.get(key)
    element.take()
    text = without_bare(without_shapes(read.differs))
    if not read.url and element.value not in (None, ""):
        element.left("key", key, text or "it is not a text", read.to_do or "write the URL")
    elif text:
        element.approximated("key", key, text, read.to_do)


def _report_sign_in(typed: Element, found: Service, secrets: Secrets) -> None:
    """Report how updates are authorised: by a key, a principal or an identity of the factory."""
    new = found.endpoint_kind == WEB_SERVICE
    why = "the app signs in by an identity of its own"
    if not new:
        why = _BY_KEY if found.update_url else _NO_UPDATE
    for key in ("servicePrincipalId", "tenant", "authentication"):
        element = typed.get(key)
        if is_empty(element.value):
            continue
        if new:
            element.approximated("key", key, why, _SIGNS_IN)
        else:
            element.mapped("key", key, f"not needed: {why}")
    not_needed(typed.get("servicePrincipalKey"), "servicePrincipalKey", why)
    encrypted = typed.get("encryptedCredential")
    if encrypted.value:
        text = "encrypted only for the factory, so that it cannot be read here"
        setting = found.api_key[2:-1]
        encrypted.left("key", "encryptedCredential", text, f"set app setting {setting}")
        secrets.note(setting, encrypted)


def report_common(definition: Definition) -> Element:
    """Report the keys that each type has, and return the others: `typeProperties`."""
    values = definition.properties
    definition.body.take_keys("name", "type")
    values.take_keys("type", "parameters")
    set_aside(values, *_ASIDE)
    text = "Relearn calls the service itself, and not by an integration runtime"
    to_do = "if that runtime is in a closed network, see that the app reaches the service"
    values.get("connectVia").approximated("key", "connectVia", text, to_do)
    return values.get("typeProperties")
