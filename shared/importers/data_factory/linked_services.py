"""Linked services of both versions: batch services, what they update, and storage accounts.

The update URL tells Classic from New (data-factory §2.1). Each linked service has one line of the
report, and each of its keys that says something has one too.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from shared.importers.data_factory.account import Element, ImportOutcome, Place, both_to_do
from shared.importers.data_factory.drafts import Service
from shared.importers.data_factory.linked_service_keys import KIND, report_common, report_service
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.reading.shapes import LINKED_SERVICE
from shared.importers.data_factory.secrets import (
    Secrets,
    report_passed,
    secret_places,
    warned_of,
)
from shared.importers.data_factory.service_urls import (
    ServiceUrl,
    read_jobs_url,
    read_update_url,
)

_STORAGE: Final = ("azurestorage", "azurestoragesas", "azureblobstorage", "azureblobfs")
#: What signs in to a storage account; the app has a connection of its own.
_OF_STORAGE: Final = (
    *("connectionString", "sasUri", "sasToken", "accountKey", "serviceEndpoint", "containerUri"),
    *("accountKind", "authenticationType", "encryptedCredential", "servicePrincipalId"),
    *("servicePrincipalKey", "servicePrincipalCredential", "tenant", "azureCloudType"),
    *("credential", "url", "servicePrincipalCredentialType"),
)
_ACCOUNT: Final = re.compile(r"AccountName\s*=\s*([^;\s]+)", re.IGNORECASE)
_ENDPOINT: Final = re.compile(r"BlobEndpoint\s*=\s*([^;\s]+)", re.IGNORECASE)
#: An address of a vault that is not an expression.
_VAULT: Final = re.compile(r"https://[\w.:/-]+", re.IGNORECASE)
#: The first part of a host is the name of the account.
_HOST: Final = re.compile(r"//([A-Za-z0-9-]+)\.[\w.-]+")
_ARGUMENT: Final = re.compile(
    r"@\{\s*linkedService\(\)\.(\w+)\s*\}|^@linkedService\(\)\.(\w+)$", re.MULTILINE
)
_URLS: Final = ("mlEndpoint", "updateResourceEndpoint")
_KEYS: Final = ("apiKey", "servicePrincipalKey")
#: Keys of a linked service of type AzureML without a secret.
_OF_SERVICE: Final = (
    *("mlEndpoint", "updateResourceEndpoint", "servicePrincipalId", "tenant", "authentication"),
)
#: A value of a parameter that can be a part of a name.
_SHORT: Final = re.compile(r"[\w -]{1,20}")
_TRAINS: Final = "training.service"
#: Behind a place in the pipelines file where ids of the examples stand.
EXAMPLE: Final = ": an example stands in its place"
_UNUSED: Final = "no pipeline of the file uses it"


def report(definitions: Definitions, secrets: Secrets, *, last: bool = False) -> None:
    """Give each linked service its line of the report, and read those of type AzureML.

    One whose values depend on its parameters is read where something gives those.

    Args:
        definitions: all that was found.
        secrets: collects the names of app settings.
        last: whether nothing gives values to parameters after this.
    """
    services = definitions.of(LINKED_SERVICE)
    for definition in services:
        if definition.type.casefold() == "azurekeyvault":
            address = _plain(definition.properties.get("typeProperties", "baseUrl").value)
            known = _VAULT.fullmatch(address) is not None
            secrets.vaults[definition.name.strip().casefold()] = address if known else ""
    for definition in services:
        kind = definition.type.casefold()
        if kind == "azureml":
            known = definition.place in definition.body.account.lines
            if not known and (last or not _arguments_of(definition, *_URLS, *_KEYS)):
                service(definition, secrets)
        elif kind in _STORAGE:
            _report_storage(definition)
        else:
            _report_other(definition)


def report_storage_uses(definitions: Definitions, accounts: Collection[str]) -> None:
    """Say of each storage account that no pipeline of the file uses that it is not carried over.

    Args:
        definitions: all that was found.
        accounts: those of the inputs and outputs of the file; an empty one is not known.
    """
    for definition in () if "" in accounts else definitions.of(LINKED_SERVICE):
        lines, place = definition.body.account.lines, definition.place
        unused = definition.type.casefold() in _STORAGE and storage(definition) not in accounts
        unused = unused and not definition.properties.get("parameters").value  # several accounts
        if unused and place in lines and lines[place].outcome is ImportOutcome.APPROXIMATED:
            text = f"storage account {storage(definition)}: {_UNUSED}"
            to_do = lines[place].to_do or "nothing to do for Relearn"
            outcome = ImportOutcome.NOT_CARRIED_OVER
            lines[place] = replace(lines[place], outcome=outcome, text=text, to_do=to_do)


def report_vault_uses(definitions: Definitions, used: Collection[str]) -> None:
    """Say of each vault whether an app setting of the file refers to it.

    Args:
        definitions: all that was found.
        used: the linked services of the vaults that settings refer to, folded.
    """
    for definition in definitions.of(LINKED_SERVICE):
        if definition.type.casefold() != "azurekeyvault":
            continue
        text, to_do = "no app setting of the file refers to it", ""
        if definition.name.strip().casefold() in used:
            text = "an app setting refers to a secret of it"
            to_do = "give the app's identity Key Vault Secrets User on the vault"
        definition.body.left(KIND, definition.name, text, to_do)


def report_uses(
    definitions: Definitions, uses: Mapping[Place, Sequence[str]], settings: Mapping[Place, str]
) -> None:
    """Say of each linked service of type AzureML where in the file it is, or that it is not.

    Args:
        definitions: all that was found.
        uses: the places in the pipelines file, by the place of the linked service.
        settings: the app settings that the file names, by the places of their values.
    """
    for definition in definitions.of(LINKED_SERVICE):
        lines, place = definition.body.account.lines, definition.place
        line, values = lines.get(place), definition.properties.get("typeProperties")
        if definition.type.casefold() != "azureml" or line is None:
            continue
        found = list(dict.fromkeys(uses.get(place, ())))
        unused = [] if found else list(_OF_SERVICE)
        if found and not any(_TRAINS in one for one in found):
            found.append("an update needs no mlEndpoint")
            unused = ["mlEndpoint"]
        updated = any(": update" in one for one in found)
        if found and not updated and values.get("updateResourceEndpoint").value:
            found.append("no pipeline of the file updates its endpoint")
        if found and line.outcome is not ImportOutcome.NOT_CARRIED_OVER:
            said = line.text.partition("; ")
            lines[place] = replace(line, text="; ".join(filter(None, [*found, said[2]])))
            _report_what_lacks(definition, found, settings.get(values.get("apiKey").place, ""))
        elif line.outcome is not ImportOutcome.NOT_CARRIED_OVER:
            outcome = ImportOutcome.NOT_CARRIED_OVER
            to_do = "nothing to do for Relearn"
            lines[place] = replace(line, outcome=outcome, text=_UNUSED, to_do=to_do)
        for key in unused:
            at = values.get(key).place
            if at in lines and lines[at].outcome is ImportOutcome.APPROXIMATED:
                lines[at] = replace(
                    lines[at],
                    outcome=ImportOutcome.NOT_CARRIED_OVER,
                    text=_UNUSED,
                    to_do="nothing to do",
                )


def _report_what_lacks(definition: Definition, found: Sequence[str], setting: str) -> None:
    """Report what a linked service that the file uses does not say of itself.

    Args:
        definition: the linked service.
        found: the places in the pipelines file.
        setting: the app setting of its key; empty where the file names none.
    """
    values = definition.properties.get("typeProperties")
    if any(one.endswith(EXAMPLE) for one in found):
        advice = "write the URL of the service there"
        definition.body.approximated(KIND, definition.name, found[0], advice)
    if setting and values and not values.get("apiKey"):
        text, to_do = "the file has no apiKey", f"set app setting {setting}"
        definition.body.approximated(KIND, definition.name, text, to_do)


def service(
    definition: Definition, secrets: Secrets, given: Mapping[str, Any] | None = None
) -> Service | None:
    """Return a batch service, and what it updates; None: the linked service is of another type.

    It is reported the first time that its parameters have these values.

    Args:
        definition: the linked service.
        secrets: collects the names of app settings.
        given: the values of its parameters, where the reference to it has them.
    """
    if definition.type.casefold() != "azureml":
        return None
    arguments = _arguments(definition, given or {})
    owner = " ".join(filter(None, (definition.name, definition.apart.strip("."))))
    said = [] if given is None else _arguments_of(definition, *_URLS)
    known = [str(one) for name, one in (given or {}).items() if name.casefold() in said]
    owner = " ".join([owner, *filter(_SHORT.fullmatch, known)])
    apart = " ".join(one for one in known if not _SHORT.fullmatch(one))
    values = definition.properties
    principal = values.get("typeProperties", "servicePrincipalId").exists
    example = f"{owner} {apart}".strip()
    jobs = read_jobs_url(_written(definition, "mlEndpoint", arguments), example)
    written = _written(definition, "updateResourceEndpoint", arguments)
    update = read_update_url(written, example, principal=principal) if written else ServiceUrl("")
    key = values.get("typeProperties", "apiKey")
    found = Service(
        definition.name,
        jobs.url,
        secrets.setting(key, owner, "apiKey", apart),
        update.url,
        update.kind,
        definition.body,
        lacks_url=jobs.is_example,
        lacks_update=update.is_example,
    )
    if secrets.first_time(definition.body, example):
        report_service(definition, found, (jobs, update), secrets)
    return found


def named_service(
    reference: Element,
    definitions: Definitions,
    secrets: Secrets,
    given: Mapping[str, Any] | None = None,
) -> tuple[Service | None, str]:
    """Return the batch service that an activity names, or why there is none.

    Args:
        reference: to the linked service.
        definitions: all that was found.
        secrets: collects the names of app settings.
        given: the values of its parameters.
    """
    reference.take()
    name = referenced(reference)
    if not name:
        return None, "it does not name a linked service"
    definition = definitions.named(LINKED_SERVICE, name, reference.file)
    if definition is None:
        return None, f"linked service `{name}` is not among the files"
    found = service(definition, secrets, given)
    of_keys = _arguments_of(definition, *_KEYS)
    for key, one in reference.get("parameters").items():
        if key.casefold() in of_keys:
            report_passed(one, key, one.value)
    return (
        found,
        "" if found else f"linked service `{name}` is of type {definition.type or 'unknown'}",
    )


def referenced(reference: Element) -> str:
    """Return the name in a reference, which version 1 writes alone."""
    return (reference.get("referenceName") or reference).peek()


def storage(definition: Definition | None, given: Mapping[str, Any] | None = None) -> str:
    """Return the storage account of a linked service, or what stands for it in <>.

    Args:
        definition: the linked service; None where it is not among the files.
        given: the values of its parameters, where a reference to it has them.
    """
    if definition is None:
        return ""
    arguments = _arguments(definition, given or {})
    for name in ("connectionString", "serviceEndpoint", "sasUri", "containerUri", "url"):
        text = _written(definition, name, arguments)
        account = _ACCOUNT.search(text)
        if account and not re.search(r"[<{*\[',()]", account[1]):
            return account[1].lower()
        endpoint = _ENDPOINT.search(text)
        host = _HOST.search(endpoint[1] if endpoint else text)
        if host is not None:
            return host[1].lower()
    return account_of(definition.name) if not given else ""


def account_of(service: str) -> str:
    """Return what stands for a storage account that is not known.

    Args:
        service: the name of the linked service.
    """
    return f"<account of {service}>" if service else ""


def workspace(definition: Definition) -> str:
    """Return the id of a workspace of Azure Machine Learning, with <…> for unknown parts."""
    parts = {
        name: _written(definition, name, {}) or f"<{name}>"
        for name in ("subscriptionId", "resourceGroupName", "mlWorkspaceName")
    }
    return (
        f"/subscriptions/{parts['subscriptionId']}/resourceGroups/{parts['resourceGroupName']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{parts['mlWorkspaceName']}"
    )


def _plain(value: Any) -> str:
    """Return the text of a value: itself, of a SecureString, or of an expression."""
    if isinstance(value, dict):
        return _plain(next((v for k, v in value.items() if k.casefold() == "value"), ""))
    return "" if value is None or isinstance(value, list) else str(value).strip()


def _written(definition: Definition, key: str, arguments: Mapping[str, str]) -> str:
    """Return a text of a linked service, with the values of its parameters in it."""
    text = _plain(definition.properties.get("typeProperties", key).value)
    return _ARGUMENT.sub(
        lambda found: arguments.get((found[1] or found[2]).casefold(), found[0]), text
    )


def _arguments_of(definition: Definition, *keys: str) -> list[str]:
    """Return the folded names of the parameters that some keys of a linked service refer to."""
    texts = (_plain(definition.properties.get("typeProperties", key).value) for key in keys)
    found = _ARGUMENT.findall("\n".join(texts))
    return [(one or other).casefold() for one, other in found]


def _arguments(definition: Definition, given: Mapping[str, Any]) -> dict[str, str]:
    parameters = definition.properties.get("parameters")
    values = {
        name.casefold(): _plain(default.value)
        for name, parameter in parameters.items()
        if (default := parameter.get("defaultValue"))
    }
    return values | {name.casefold(): _plain(value) for name, value in given.items()}


def _report_storage(definition: Definition) -> None:
    typed = report_common(definition)
    clear = secret_places(typed)
    typed.take_keys(*_OF_STORAGE)
    text = (
        f"storage account {storage(definition)}: data is read from TRAINING_DATA_CONTAINER, and "
        "outputs are written to MODELS_CONTAINER; the app signs in there by its own connection"
    )
    to_do = warned_of(clear)
    definition.body.approximated(KIND, definition.name, text, to_do)


def _report_other(definition: Definition) -> None:
    kind = definition.type or "unknown"
    text = f"Relearn has no linked services of type {kind}"
    to_do = "nothing, unless the job needs it: then give the job access by itself"
    if kind.casefold() == "azuremlservice":
        text = f"{text}: a training names its workspace, {workspace(definition)}"
        to_do = "write it as training.workspace, with training.kind: azureml"
    elif kind.casefold() == "azurekeyvault":
        to_do = "nothing to do for Relearn"
    warning = warned_of(secret_places(definition.body))
    definition.body.left(KIND, definition.name, text, both_to_do(to_do, warning))
