"""Reads the request for a batch job, and checks it against the service that is to run it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.studio.references import BlobReference, input_role, output_role, read_reference
from local.studio.refusals import refusal
from local.studio.services import OutputKind, Parameter, ParameterKind, TrainingService
from local.studio.wire import Call, members

_MEMBERS = frozenset({"Input", "Inputs", "Outputs", "GlobalParameters", "AzureBatchPoolId"})
_INPUT_EXTENSIONS = OutputKind.EVALUATION.extensions


@dataclass(frozen=True, slots=True)
class Order:
    """A job's inputs, outputs and parameters, complete and with defaults filled in."""

    inputs: Mapping[str, BlobReference]
    outputs: Mapping[str, BlobReference]
    parameters: Mapping[str, str]


def read_order(
    call: Call, service: TrainingService, own_output: Callable[[OutputKind], BlobReference | None]
) -> Order:
    """Read the body of a submit (studio-classic §1.2).

    Args:
        call: the request.
        service: the service the job is for.
        own_output: gives the location for an output without an override, or `None` when the
            service has no storage of its own.

    Raises:
        RefusalError: The body does not fit the service, with the documented code.
    """
    body = call.members(_MEMBERS)
    pool = body.get("AzureBatchPoolId")
    if pool is not None and not isinstance(pool, str):
        raise refusal("RequestBodyInvalid", "AzureBatchPoolId is not text")
    return Order(
        inputs=_inputs(body, service),
        outputs=_outputs(body.get("Outputs"), service, own_output),
        parameters=_parameters(body.get("GlobalParameters"), service.parameters),
    )


def _inputs(body: Mapping[str, object], service: TrainingService) -> dict[str, BlobReference]:
    single, several = body.get("Input"), body.get("Inputs")
    if single is not None and several is not None:
        raise refusal("DuplicateInputInBatchCall")
    expected = service.inputs
    given = _mapping(several, "Inputs")
    if single is not None:
        if not expected:
            raise refusal("BatchJobInputsTooManySpecified", 0, 1)
        given = {expected[0]: single}
    if given and not expected:
        raise refusal("BatchJobInputsTooManySpecified", 0, len(given))
    if unknown := given.keys() - set(expected):
        raise refusal("InvalidInputNames", ", ".join(sorted(unknown)))
    if missing := [name for name in expected if given.get(name) is None]:
        raise refusal("BatchJobInputsNotSpecified", ", ".join(missing))
    references = {name: read_reference(given[name], input_role(name)) for name in expected}
    for reference in references.values():
        _check_extension(reference, _INPUT_EXTENSIONS)
    return references


def _outputs(
    value: object,
    service: TrainingService,
    own_output: Callable[[OutputKind], BlobReference | None],
) -> dict[str, BlobReference]:
    given = _mapping(value, "Outputs")
    if unknown := given.keys() - service.outputs.keys():
        raise refusal("InvalidOutputOverrideName", ", ".join(sorted(unknown)))
    references: dict[str, BlobReference] = {}
    without: list[str] = []
    for name, kind in service.outputs.items():
        if given.get(name) is None:
            own = own_output(kind)
            if own is None:
                without.append(name)
            else:
                references[name] = own
            continue
        references[name] = read_reference(given[name], output_role(name))
        _check_extension(references[name], kind.extensions)
    if without:
        raise refusal("MissingRequiredOutputOverrides", ", ".join(without))
    return references


def _check_extension(reference: BlobReference, extensions: tuple[str, ...]) -> None:
    if not reference.relative.lower().endswith(extensions):
        raise refusal("InvalidBlobExtension", reference.relative_location, ", ".join(extensions))


def _parameters(value: object, declared: Mapping[str, Parameter]) -> dict[str, str]:
    given = {
        name: item for name, item in _mapping(value, "GlobalParameters").items() if item is not None
    }
    if unknown := given.keys() - declared.keys():
        raise refusal("UnexpectedParameter", ", ".join(sorted(unknown)))
    missing = [name for name, item in declared.items() if item.required and name not in given]
    if missing:
        raise refusal("MissingRequiredGlobalParameters", ", ".join(missing))
    values = {name: item.default for name, item in declared.items() if item.default is not None}
    values |= {name: _value(name, item, declared[name].kind) for name, item in given.items()}
    return values


def _value(name: str, value: object, kind: ParameterKind) -> str:
    """Give a parameter as text; numbers, true and false are taken too (studio-classic §1.2)."""
    if not isinstance(value, str | int | float):
        raise refusal("BadParameterValue", name, "give it as text")
    if kind is ParameterKind.NUMBER:
        try:
            finite = math.isfinite(float(value))
        except (ValueError, OverflowError):
            finite = False
        if not finite:
            raise refusal("BadParameterValue", name, "it is not a number")
    return str(value)


def _mapping(value: object, what: str) -> dict[str, object]:
    if value is None:
        return {}
    return members(value, frozenset(value) if isinstance(value, dict) else frozenset(), what)
