"""Reads values and paths of activities of version 2 that start a job (data-factory §3.2)."""

import re
from typing import Any, Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath, Service
from shared.importers.data_factory.expressions.resolved import event_filled
from shared.importers.data_factory.expressions.version_2 import Resolved
from shared.importers.data_factory.linked_services import (
    account_of,
    named_service,
    referenced,
    storage,
)
from shared.importers.data_factory.version_2.factory import TRAINING, Activity, Factory, resolve
from shared.importers.data_factory.version_2.triggers import Start

WRITE_PATH: Final = "write the path in pipelines.yaml, with {start:yyyy/MM/dd} where time is in it"
_CONTAINER: Final = re.compile(r"[a-z0-9$][a-z0-9$-]*", re.IGNORECASE)
_OF_TEMPLATE: Final = "it is an expression of the template that has no value here"


class Values:
    """The values of an activity, for one way in which its pipeline is started."""

    def __init__(self, factory: Factory, activity: Activity, start: Start) -> None:
        self._factory, self._activity, self._start = factory, activity, start

    def of(self, element: Element) -> Resolved | None:
        """Return what a value stands for; None where there is no value."""
        if element.value in (None, ""):
            return None
        definitions = self._factory.definitions
        return resolve(definitions, self._activity.pipeline, self._start, element.value)

    def plain(self, element: Element) -> Any:
        """Return the constant that a value stands for; None where it is not known."""
        found = self.of(element)
        return None if found is None or found.text is None else found.value

    def with_event(self, text: str) -> str:
        """Return a text with the blob whose event starts the pipeline as its pattern."""
        event = self._start.event
        if event is None:
            return text
        return event_filled(text, event.folder, event.file)

    def path(self, given: Element, storage_of: Element, to_do: str) -> BlobPath | None:
        """Return the blob that a path names; None, after a report, where that cannot be said.

        Args:
            given: the path.
            storage_of: the reference to its storage.
            to_do: what the reader can do where it cannot be said.
        """
        key = str(given.path[-1])
        found = self.of(given)
        found = None if found is None else found.as_path()
        if found is None or (found.text is not None and not found.text.strip(" /")):
            given.left("key", key, "the path is empty", to_do)
            return None
        text = "" if found.text is None else self.with_event(found.text)
        if found.text is None or "{event." in text:
            why = found.why or "it uses a blob event that does not start the pipeline"
            shown = f"`{found.verbatim}`: " if found.verbatim else ""
            given.left("key", key, f"{shown}{why}", to_do)
            return None
        if text.strip().startswith("["):  # no container begins so: the template has no value here
            given.left("key", key, f"`{text}`: {_OF_TEMPLATE}", to_do)
            return None
        if not found.exact and to_do == WRITE_PATH:
            given.approximated("key", key, f"`{text}`: {found.why}", "compare the paths")
        account = self.account(storage_of)
        event = self._start.event
        if event is not None and not event.container and text.startswith(f"/{event.path.name}"):
            return BlobPath(account, "", text.strip(" /"), given)
        found_at = blob_of(account, text, given)
        if not _CONTAINER.fullmatch(found_at.container):
            why = f"`{text}`: it does not begin with the name of a container"
            given.left("key", key, why, to_do)
            return None
        return found_at

    def account(self, reference: Element) -> str:
        """Return the storage account that a reference means, or what stands for it in <>."""
        definition = self._factory.service(reference)
        if definition is None:
            return account_of(referenced(reference))
        return storage(definition, self._given(reference))

    def _given(self, reference: Element) -> dict[str, Any]:
        """Return the values of the parameters that a reference gives its linked service."""
        found: dict[str, Any] = {}
        for name, one in reference.get("parameters").items():
            known = self.plain(one)
            found[name] = one.value if known is None else known
        return found

    def service(self) -> tuple[Service | None, str]:
        """Return the batch service of the activity, or why there is none."""
        reference = self._activity.element.get("linkedServiceName")
        secrets = self._factory.context.secrets
        given = self._given(reference)
        return named_service(reference, self._factory.definitions, secrets, given)


def whole_expression(listed: Element) -> str:
    """Return the expression that stands for all that a key has by names; else an empty text."""
    if listed.get("type").peek().casefold() == "expression" and listed.get("value").peek():
        return listed.get("value").peek()
    return listed.peek()


def blob_of(account: str, path: str, source: Element) -> BlobPath:
    """Return the blob that a path names: container, folders and blob.

    Args:
        account: it is in.
        path: as the definition has it, without expressions.
        source: what names it.
    """
    container, _, name = path.strip().strip("/").partition("/")
    return BlobPath(account, container, name, source)


def is_written(output: BlobPath, path: BlobPath | None) -> bool:
    """Whether an output is a blob, or the folder that the blob is in.

    Args:
        output: of a job.
        path: of the blob; None where it is not known.
    """
    if path is None or not path.name or output.container != path.container:
        return False
    if is_same_account(output.account, path.account) is False:
        return False
    folder = "." not in output.name.rpartition("/")[2]
    inside = not output.name or path.name.startswith(f"{output.name.rstrip('/')}/")
    return output.name == path.name or (folder and inside)


def is_same_account(one: str, other: str) -> bool | None:
    """Whether two storage accounts are the same one; None: that is not known.

    Args:
        one: an account, or what stands for it in <>.
        other: the account to compare.
    """
    if one and one == other:
        return True
    return None if not one or not other or "<" in one + other else False


def outputs_of(factory: Factory) -> list[tuple[Activity, BlobPath]]:
    """Return the outputs of all trainings whose path is known."""
    if factory.outputs is None:
        factory.outputs = []
        for one in (one for one in factory.activities if one.kind == TRAINING):
            values = Values(factory, one, factory.starts_of(one.pipeline)[0])
            outputs = one.element.get("typeProperties", "webServiceOutputs")
            for port in dict(outputs.items()).values():
                path = values.of(port.get("filePath"))
                if path is not None and path.text:
                    account = values.account(port.get("linkedServiceName"))
                    factory.outputs.append((one, blob_of(account, path.text, port)))
    return factory.outputs
