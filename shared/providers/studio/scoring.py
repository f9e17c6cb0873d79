"""Scores the probe rows at an endpoint of Studio, and reads the answer (studio-classic §2).

See design rule 9.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from shared.core.blobs import BlobVersion
from shared.core.config.studio_endpoint import probe_rows
from shared.core.counting import counted
from shared.core.names import digest
from shared.core.secret_shapes import Cleaner
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome
from shared.errors import TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.errors import explained, read_refusal

_SCORED: Final = "scored "
#: Answers that say nothing about the model.
_BUSY: Final = frozenset({401, 408, 429, 440, 509})
#: Answers about the probe's own URL or key; redirects are not followed.
_REFUSED: Final = frozenset({301, 302, 303, 307, 308, 403, 404, 405})
_SERVER_ERROR: Final = 500
#: 5xx answers that are about the model all the same (studio-classic §5).
_MODEL_FAULTS: Final = frozenset(
    {
        "InvalidWebServiceResources",
        "ModelPackageFormatError",
        "ModuleExecutionFailed",
        "ModuleLoadFailed",
        "OutputConversionFailed",
        "ResourceDownload",
        "ResourceLoadFailed",
        "WebServicePackageInternalError",
    }
)


def read_answers(request: Mapping[str, Any], answer: object, wanted: int) -> ProbeAnswers:
    """Return the scores in a request-response answer to `request` of `wanted` rows.

    Both documented forms are read, table and row objects, and the content is checked: a missing
    score column, a wrong row count or a number that is not finite is a broken model. Of
    several outputs the first that holds good scores counts.

    Args:
        request: the request with the probe rows.
        answer: the body of the answer.
        wanted: how many rows there must be.
    """
    results = answer.get("Results") if isinstance(answer, dict) else None
    if not isinstance(results, dict):  # the answer does not come from a model
        return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail="the answer is not one of a model")
    read = [_read_output(request, output, wanted) for output in results.values()]
    if not read:
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="the answer holds no table of results")
    return next((answers for answers in read if answers.seen is ProbeOutcome.GOOD), read[0])


def _read_output(request: Mapping[str, Any], output: object, wanted: int) -> ProbeAnswers:
    table = _table(output)
    if table is None:
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="the answer holds no table of results")
    columns, rows = table
    if len(rows) != wanted:
        detail = f"{counted(len(rows), 'row')} came back for {counted(wanted, 'probe row')}"
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail=detail)
    given = _given_columns(request)
    picked = [i for i, name in enumerate(columns) if name.lower().startswith(_SCORED)]
    picked = picked or [i for i, name in enumerate(columns) if name not in given]
    if not picked:
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="the answer holds no score column")
    if any(len(row) != len(columns) for row in rows):
        return ProbeAnswers(
            seen=ProbeOutcome.BROKEN, detail="a row has another length than the header"
        )
    scores = tuple(tuple(str(row[i]) for i in picked) for row in rows)
    if any(not _finite(cell) for row in scores for cell in row):
        return ProbeAnswers(
            seen=ProbeOutcome.BROKEN, detail="a score is empty or not a finite number"
        )
    return ProbeAnswers(
        seen=ProbeOutcome.GOOD, columns=tuple(columns[i] for i in picked), rows=scores
    )


def _table(output: object) -> tuple[Sequence[str], Sequence[Sequence[object]]] | None:
    if isinstance(output, list) and output and all(isinstance(row, dict) for row in output):
        columns = [str(name) for name in output[0]]
        return columns, [[row.get(name) for name in columns] for row in output]
    value = output.get("value") if isinstance(output, dict) else None
    if not isinstance(value, dict):
        return None
    names, rows = value.get("ColumnNames"), value.get("Values")
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    return [str(name) for name in names], [row if isinstance(row, list) else [] for row in rows]


def _given_columns(request: Mapping[str, Any]) -> set[str]:
    first = next(iter(request["Inputs"].values()))
    names = first["ColumnNames"] if isinstance(first, dict) else first[0]
    return {str(name) for name in names}


def _finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return cell.strip() not in ("", "None")  # a class label


@dataclass(frozen=True, slots=True)
class Current:
    """What an endpoint says it was given."""

    location: tuple[str, str, str] | None = field(default=None, repr=False)
    """Base location, relative location and SAS (a secret), where the service returns them."""
    resources: tuple[str, ...] | None = None  #: the names that can be updated, where known
    refreshable: bool = False  #: whether it can be reset to the model of its own service


class StudioClient(Protocol):
    """An endpoint of Studio, Classic or New: one update gives it one model."""

    def ensure(self) -> None:
        """Make the endpoint where it does not exist and the configuration says to."""
        ...

    def current(self) -> Current:
        """Return what the endpoint was last given."""
        ...

    def update(self, model: BlobVersion) -> str | None:
        """Send the update to a model; return its operation, where there is one."""
        ...

    def refresh(self) -> str | None:
        """Send the update to the model of the endpoint's own service; return as `update`."""
        ...

    def check(self, operation: str | None = None) -> EndpointCheck:
        """Return what the service says of an update, and the answers for the probe rows."""
        ...

    def score(self, rows: dict[str, Any]) -> ProbeAnswers:
        """Return the answers for these rows."""
        ...


def score(call: StudioCall, url: str, rows: dict[str, Any]) -> ProbeAnswers:
    """Return what the endpoint answers for the probe rows; no usable answer is one too.

    Safe to repeat: scoring has no effect.

    Args:
        call: with the key for scoring.
        url: the request-response URL (studio-classic §2).
        rows: the request body, in either documented form.
    """
    request = digest(json.dumps(rows, sort_keys=True))
    return _scored(call, url, rows).evolve(request=request)


def scoring_url(base: str, rows: Mapping[str, Any]) -> str:
    """Return the request-response URL below the base that a service names.

    The answers to rows given as objects are requested in the same form (studio-classic §2).

    Args:
        base: the base, as the service names it.
        rows: the request with the probe rows.
    """
    inputs = rows.get("Inputs")
    first = next(iter(inputs.values()), None) if isinstance(inputs, dict) else None
    form = "&format=swagger" if isinstance(first, list) else ""
    return f"{base.strip().rstrip('/')}/execute?api-version=2.0&details=true{form}"


def _scored(call: StudioCall, url: str, rows: dict[str, Any]) -> ProbeAnswers:
    try:
        answer = call.any_answer("POST", url, rows)
    except TransientError as exc:
        return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=str(exc))
    if not answer.ok:
        return _not_scored(answer, call.clean)
    decoded = answer.json()
    if decoded is None:
        return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail="the answer is not JSON")
    return read_answers(rows, decoded, probe_rows(rows) or 0)


def _not_scored(answer: Answer, clean: Cleaner) -> ProbeAnswers:
    refusal = read_refusal(answer, clean)
    detail = explained(refusal)
    if refusal.codes & _MODEL_FAULTS:
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail=detail)
    if answer.status in _BUSY or answer.status >= _SERVER_ERROR:
        return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=detail)
    refused = answer.status in _REFUSED
    return ProbeAnswers(
        seen=ProbeOutcome.REFUSED if refused else ProbeOutcome.BROKEN, detail=detail
    )
