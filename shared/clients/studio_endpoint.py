"""The `ServingEndpoint` port over a Studio Classic endpoint (contract §2, §3)."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.clients.http import Answer
from shared.clients.studio_call import StudioCall
from shared.clients.studio_errors import StudioRefused, read_refusal, sort_refusal
from shared.core.blobs import BlobVersion
from shared.core.names import digest
from shared.core.endpoint import Verify, probe_rows
from shared.core.proof import Look, ProbeAnswers, Progress, Seen, read_answers
from shared.core.run import WayBack
from shared.errors import TransientError
from shared.ports import Access, Blobs, Current

#: As long as the service's own signatures live; when it reads the blob is unknown (rule 11).
_SIGNED_FOR: Final = timedelta(hours=24)
_NOT_CHANGED: Final = 304
#: Answers that say nothing about the model (rule 9).
_BUSY: Final = frozenset({401, 408, 429, 440, 509})
#: Answers about the probe's own URL or key.
_REFUSED: Final = frozenset({403, 404})
_NOT_FOUND: Final = 404
_DO_NOT_TELL: Final = frozenset({401, 403, 404, 405, 501})
_SERVER_ERROR: Final = 500
#: 5xx answers that are about the model all the same (§5).
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


@dataclass(frozen=True, slots=True)
class StudioClassicEndpoint:
    """One endpoint of a Classic predictive web service.

    A PATCH is accepted at once and served about half a minute later; there is no status to
    ask for, so a look scores the probe rows.
    """

    call: StudioCall
    score: StudioCall
    update_url: str
    resource: str
    verify: Verify | None
    models: Blobs

    def ensure(self) -> None:
        """Nothing to make yet."""

    def current(self) -> Current:
        """Return what the endpoint was last given; empty where the service does not tell.

        Not every key may read an endpoint that it may update, so a refusal tells nothing.
        """
        answer = self.call.any_answer("GET", self.update_url)
        if answer.ok:
            return _current(answer.json(), self.resource)
        if answer.status in _DO_NOT_TELL:
            return Current(refreshable=answer.status != _NOT_FOUND)
        key = self.call.secrets(self.call.api_key)
        raise sort_refusal(answer, "look at the endpoint", key, write=False)

    def update(self, model: BlobVersion) -> None:
        """PATCH the endpoint with a freshly signed URL of `model`."""
        blob = self.models.sign(model.container, model.name, Access.READ, _SIGNED_FOR)
        location = {
            "BaseLocation": blob.base_location,
            "RelativeLocation": blob.relative_location,
            "SasBlobToken": blob.sas_token,
        }
        body = {"Resources": [{"Name": self.resource, "Location": location}]}
        self.call.write("PATCH", self.update_url, "update the endpoint", body)

    def restore(self, previous: WayBack) -> None:
        """PATCH the model from before, or have the endpoint refresh from its service."""
        if previous.model is not None:
            self.update(previous.model)
            return
        url, body = f"{self.update_url}/refresh", {"OverwriteResources": "True"}
        try:
            self.call.write("POST", url, "refresh the endpoint", body)
        except StudioRefused as exc:
            if exc.refusal.status != _NOT_CHANGED:
                raise

    def look(self, operation: str | None = None) -> Look:
        """Score the probe rows and read back what the endpoint was given."""
        try:
            current = self.current()
        except TransientError:
            current = Current()
        named = current.location[1].lstrip("/") if current.location else None
        return Look(Progress.UNTOLD, self._probe(), configured=named)

    def _probe(self) -> ProbeAnswers | None:
        if self.verify is None:
            return None
        request = digest(json.dumps(self.verify.rows, sort_keys=True))
        answers = self._score(self.verify)
        return answers.model_copy(update={"request": request})

    def _score(self, verify: Verify) -> ProbeAnswers:
        try:
            answer = self.score.any_answer("POST", verify.score, verify.rows)
        except TransientError as exc:
            return ProbeAnswers(seen=Seen.NO_ANSWER, detail=str(exc))
        if not answer.ok:
            return _not_scored(answer, self.score.secrets(self.score.api_key))
        decoded = answer.json()
        if decoded is None:
            return ProbeAnswers(seen=Seen.NO_ANSWER, detail="the answer is not JSON")
        return read_answers(verify.rows, decoded, probe_rows(verify.rows) or 0)


def _not_scored(answer: Answer, key: str) -> ProbeAnswers:
    refusal = read_refusal(answer, key)
    if refusal.codes & _MODEL_FAULTS:
        return ProbeAnswers(seen=Seen.BROKEN, detail=str(refusal))
    if answer.status in _BUSY or answer.status >= _SERVER_ERROR:
        return ProbeAnswers(seen=Seen.NO_ANSWER, detail=str(refusal))
    refused = answer.status in _REFUSED
    return ProbeAnswers(seen=Seen.REFUSED if refused else Seen.BROKEN, detail=str(refusal))


def _current(told: object, resource: str) -> Current:
    listed = told.get("Resources") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        return Current(refreshable=True)
    known = [entry for entry in listed if isinstance(entry, dict)]
    names = tuple(str(entry.get("Name")) for entry in known)
    mine = next((entry for entry in known if entry.get("Name") == resource), {})
    location = mine.get("Location")
    if not isinstance(location, dict) or not location.get("RelativeLocation"):
        return Current(resources=names, refreshable=True)
    parts = ("BaseLocation", "RelativeLocation", "SasBlobToken")
    base, relative, token = (str(location.get(part) or "") for part in parts)
    return Current((base, relative, token), names, refreshable=True)
