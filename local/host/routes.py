"""Translates route templates of Functions, such as `runs/{id:int?}`, into Werkzeug rules."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from werkzeug.routing import BaseConverter, Rule

from local.host.config import RefusedError

_PARAMETER: Final = re.compile(r"\{(\*{0,2})(\w+)((?::[^{}?=]+)*)(?:=([^{}?]*))?(\?)?\}")


class IntegerConverter(BaseConverter):
    """The constraint `int`, which leaves the text as it came."""

    regex = r"-?\d+"


CONVERTERS: Final[dict[str, type[BaseConverter]]] = {"integer": IntegerConverter}


def rules_for(
    template: str, endpoint: Callable[..., Any], methods: Sequence[str] | None
) -> list[Rule]:
    """Return the rules of one template: a second one where its last parameter may be absent.

    Constraints other than `int` are accepted and not checked.

    Args:
        template: with its prefix, without slashes at its ends.
        endpoint: what the rule leads to.
        methods: None for all.

    Raises:
        RefusedError: the template cannot be read.
    """
    literals = _PARAMETER.sub("", template)
    if any(sign in literals for sign in "{}<>"):
        raise RefusedError(f"the route {template!r} cannot be read")
    variants: list[tuple[str, dict[str, str]]] = [(_PARAMETER.sub(_piece, template), {})]
    last = list(_PARAMETER.finditer(template))[-1:]
    if last and last[0].end() == len(template):
        stars, name, _, default, optional = last[0].groups()
        if stars or optional or default is not None:
            rest = _PARAMETER.sub(_piece, template[: last[0].start()].rstrip("/"))
            variants.append((rest, {} if default is None else {name: default}))
    return [_rule(path, defaults, endpoint, methods) for path, defaults in variants]


def _rule(
    path: str,
    defaults: dict[str, str],
    endpoint: Callable[..., Any],
    methods: Sequence[str] | None,
) -> Rule:
    rule = Rule(f"/{path}", endpoint=endpoint, methods=methods, defaults=defaults or None)
    if methods is not None and rule.methods and "HEAD" not in methods:
        rule.methods.discard("HEAD")  # a GET route does not answer HEAD (azure-functions §4)
    return rule


def _piece(found: re.Match[str]) -> str:
    stars, name, constraints, _, _ = found.groups()
    if stars:
        return f"<path:{name}>"
    return f"<integer:{name}>" if ":int" in constraints.split("(")[0] else f"<{name}>"
