"""The same answer, spelled in another way: what a caller must not depend on.

See azure-machine-learning-v2 §9: letter case of values and ids, order of members, members that
are absent instead of null, and members that nobody knows.
"""

from collections.abc import Mapping
from typing import Any, Final

from local.azureml.answers import GROUP, Answer
from local.azureml.switches import Switches

#: Members whose values are compared ignoring case.
_VALUES: Final = frozenset(
    {"status", "jobType", "jobInputType", "jobOutputType", "mode", "modelType"}
    | {"provisioningState", "datastoreType", "authMode", "endpointComputeType"}
)
_IDS: Final = frozenset({"id", "componentId", "computeId", "environmentId", "codeId", "modelUri"})


def styled(answer: Answer, switches: Switches) -> Answer:
    """Return an answer as the switches want it spelled.

    Args:
        answer: as the state made it.
        switches: how to spell.

    Returns:
        The answer.
    """
    plain = switches.values == "as_sent" and switches.ids == "as_sent"
    if (plain and switches.members == "as_sent") or not isinstance(answer.body, dict):
        return answer
    return Answer(answer.status, _spelled(answer.body, switches, ""), answer.headers)


def _spelled(value: Any, switches: Switches, name: str) -> Any:
    if isinstance(value, Mapping):
        return _members(value, switches)
    if isinstance(value, list):
        return [_spelled(one, switches, name) for one in value]
    if not isinstance(value, str):
        return value
    if name in _VALUES and switches.values != "as_sent":
        return _VALUE_STYLES[switches.values](value)
    if name in _IDS and switches.ids == "lower":
        return value.replace("/resourceGroups/", "/resourcegroups/").replace(
            f"/{GROUP}/", f"/{GROUP.upper()}/"
        )
    return value


def _members(value: Mapping[str, Any], switches: Switches) -> dict[str, Any]:
    items = [(name, _spelled(one, switches, name)) for name, one in value.items()]
    if switches.members == "reversed":
        items.reverse()
    if switches.members == "no_nulls":
        items = [(name, one) for name, one in items if one is not None]
    if switches.members == "more" and "id" in value:
        items.append(("relearnNeverHeardOf", {"it": ["is", None]}))
    return dict(items)


def _pascal(value: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in value.split("_"))


_VALUE_STYLES: Final = {"pascal": _pascal, "lower": str.lower}
