"""Lines of the report for templates, and for the deployments in them."""

from typing import Final

from shared.importers.data_factory.account import Element

NOTHING_TO_DO: Final = "there is nothing to do"
#: Keys of a template that its resources are read with, or that say nothing of what runs.
_OF_TEMPLATE: Final = frozenset(
    {"$schema", "contentversion", "apiprofile", "languageversion", "metadata", "definitions"}
) | {"parameters", "variables"}


def report_template(template: Element, kind: str, name: str, text: str) -> None:
    """Report a template whose resources have lines of their own.

    Args:
        template: the element.
        kind: what it is, in the report.
        name: what it is called.
        text: what is in it.
    """
    for key, value in template.items():
        if key.casefold() == "outputs":
            value.left("key", key, "Relearn reads no outputs of templates", NOTHING_TO_DO)
        elif key.casefold() in _OF_TEMPLATE:
            value.take()
    template.mapped(kind, name, text, whole=False)


def report_nested(deployment: Element, name: str) -> None:
    """Report a deployment with a template inside.

    Args:
        deployment: the resource.
        name: what it is called.
    """
    text = "its template is read, with the values that it is given"
    deployment.mapped("key", name, text, whole=False)
    for key, value in deployment.items():
        inside = value.items() if key.casefold() == "properties" else [(key, value)]
        for inner, one in inside:
            if inner.casefold() == "template":
                report_template(one, "key", "template", "each resource has its own line")
            else:
                one.take()


def report_linked(deployment: Element, name: str, file: str, *, is_there: bool) -> None:
    """Report a deployment whose template is a file of its own.

    Args:
        deployment: the resource.
        name: what it is called.
        file: its template.
        is_there: whether that is among the files.
    """
    if is_there:
        deployment.mapped("key", name, f"its template is {file}, which is read by itself")
    else:
        text = f"its template {file or '(not named)'} is not among the files"
        deployment.left("key", name, text, "import that file too")
