"""Scores the probe rows at an endpoint, and classifies the answer.

See design rule 9.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from shared.core.config.studio_endpoint import probe_rows
from shared.core.names import digest
from shared.core.secret_shapes import Cleaner
from shared.core.serving.probes import ProbeAnswers, ProbeOutcome
from shared.errors import TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.answers import read_answers
from shared.providers.studio.call import StudioCall
from shared.providers.studio.errors import explained, read_refusal

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
