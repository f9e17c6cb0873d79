"""Lines of the report for files and templates, and for definitions that do not count."""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.importers.data_factory.account import Account, Element, Line, Outcome

NOTHING_TO_DO: Final = "nothing to do"
#: Keys of a template that its resources are read with, or that say nothing of what runs.
_OF_TEMPLATE: Final = frozenset(
    {"$schema", "contentversion", "apiprofile", "languageversion", "metadata", "definitions"}
) | {"parameters", "variables"}


@dataclass(slots=True)
class FileLines:
    """Adds lines to an account, and keeps them in their order."""

    account: Account
    all: list[Line] = field(default_factory=list)

    def add(
        self, element: Element, kind: str, name: str, outcome: Outcome, text: str, **more: Any
    ) -> None:
        """Report an element.

        Args:
            element: it.
            kind: what it is, in the report.
            name: what it is called.
            outcome: what became of it.
            text: where it is now, or what differs and why.
            more: further values of the line.
        """
        self.line(Line(element.file, element.path, kind, name, outcome, text, **more))

    def line(self, line: Line) -> None:
        """Add a line."""
        self.account.add(line)
        self.all.append(line)

    def left(self, element: Element, kind: str, name: str, text: str, to_do: str) -> None:
        """Report what is not carried over, with all that is below it.

        Args:
            element: it.
            kind: what it is, in the report.
            name: what it is called.
            text: why.
            to_do: what the reader can do.
        """
        self.add(element, kind, name, Outcome.NOT_CARRIED_OVER, text, to_do=to_do)

    def template(self, element: Element, kind: str, name: str, text: str) -> None:
        """Report a template whose resources have lines of their own.

        Args:
            element: the template.
            kind: what it is, in the report.
            name: what it is called.
            text: what is in it.
        """
        for key, value in element.items():
            if key.casefold() == "outputs":
                self.left(value, "key", key, "Relearn reads no outputs of templates", NOTHING_TO_DO)
            elif key.casefold() in _OF_TEMPLATE or not value.value:
                value.take()
        self.add(element, kind, name, Outcome.MAPPED, text, whole=False)

    def resource(self, element: Element, name: str, text: str) -> None:
        """Report a resource that is not carried over, but whose own resources may be.

        Args:
            element: the resource.
            name: what it is called.
            text: why.
        """
        for key, value in element.items():
            if key.casefold() != "resources" or not value.value:
                value.take()
        outcome = Outcome.NOT_CARRIED_OVER
        self.add(element, "key", name, outcome, text, to_do=NOTHING_TO_DO, whole=False)

    def nested(self, deployment: Element, name: str) -> None:
        """Report a deployment with a template inside.

        Args:
            deployment: the resource.
            name: what it is called.
        """
        text = "its template is read, with the values that it is given"
        self.add(deployment, "key", name, Outcome.MAPPED, text, whole=False)
        for key, value in deployment.items():
            if key.casefold() != "properties":
                value.take()
                continue
            for inner, one in value.items():
                if inner.casefold() == "template":
                    self.template(one, "key", "template", "each resource has its own line")
                else:
                    one.take()

    def linked(self, deployment: Element, name: str, file: str, *, is_there: bool) -> None:
        """Report a deployment whose template is a file of its own.

        Args:
            deployment: the resource.
            name: what it is called.
            file: its template.
            is_there: whether that is among the files.
        """
        if is_there:
            text = f"its template is {file}, which is read by itself"
            self.add(deployment, "key", name, Outcome.MAPPED, text)
        else:
            text = f"its template {file or '(not named)'} is not among the files"
            self.left(deployment, "key", name, text, "import that file too")
