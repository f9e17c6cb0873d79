"""Keys and tokens of endpoints, for each of the three modes (azure-machine-learning-v2 §5.4)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from local.azureml.answers import ACCEPTED, OK, Answer, RequestBody, invalid, refusal
from local.azureml.endpoints import not_found
from local.azureml.state import Endpoint, State
from local.azureml.switches import Duration
from local.identity import audience_of

BEARER: Final = "Bearer "
_LIFE: Final = timedelta(hours=24)
_ML: Final = "https://ml.azure."
_KEY, _TOKEN, _ENTRA = "key", "amltoken", "aadtoken"


@dataclass
class Credentials:
    """The credentials for scoring."""

    state: State

    def keys(self, name: str) -> Answer:
        """Return both keys of an endpoint."""
        if isinstance(endpoint := self._endpoint(name, _KEY), Answer):
            return endpoint
        return Answer(OK, {"primaryKey": endpoint.key, "secondaryKey": endpoint.second_key})

    def regenerate(self, name: str, body: RequestBody) -> Answer:
        """Replace a key; the old one is refused from then on.

        Args:
            name: of the endpoint.
            body: `keyType`, and `keyValue` where the new one is the caller's.

        Returns:
            200, or 202 with an operation.
        """
        if isinstance(endpoint := self._endpoint(name, _KEY), Answer):
            return endpoint
        kind = str(body.get("keyType")).lower()
        if kind not in ("primary", "secondary"):
            return invalid("keyType is Primary or Secondary.")
        member = "key" if kind == "primary" else "second_key"
        made = str(body.get("keyValue") or f"{member}-{len(self.state.operations.all)}-new")
        if self.state.switches.regenerate_status == OK:
            setattr(endpoint, member, made)
            return Answer(OK)
        takes = Duration(self.state.switches.updating_endpoint)
        operation = self.state.operations.begin(
            f"{name}", takes, lambda _: setattr(endpoint, member, made)
        )
        return Answer(ACCEPTED, None, operation.headers() | {"Location": operation.result_url})

    def token(self, name: str) -> Answer:
        """Hand out a token that lives for a day."""
        if isinstance(endpoint := self._endpoint(name, _TOKEN), Answer):
            return endpoint
        token, now = f"token-{name}-{len(endpoint.tokens)}", self.state.clock.now()
        endpoint.tokens[token] = now + _LIFE
        end, refresh = (int((now + span).timestamp()) for span in (_LIFE, _LIFE / 2))
        body = {"accessToken": token, "tokenType": "Bearer", "expiryTimeUtc": end}
        return Answer(OK, body | {"refreshAfterTimeUtc": refresh})

    def refused(self, endpoint: Endpoint, authorization: str) -> Answer | None:
        """Refuse a request to score by somebody who may not.

        Args:
            endpoint: that is asked.
            authorization: the header.

        Returns:
            The refusal, if it is one.
        """
        said, mode = authorization.removeprefix(BEARER), _mode(endpoint)
        if authorization.startswith(BEARER) and self._is_known(endpoint, mode, said):
            late = self.state.clock.now() < self.state.began + self.state.switches.roles_late
            if mode != _ENTRA or not late:
                return None
            message = "The identity has no role for Microsoft.MachineLearningServices/…/score."
            status = self.state.switches.score_without_role
            return Answer(status, {"error": {"code": "Forbidden", "message": message}})
        message = "The key or token is missing, wrong or has expired."
        return Answer(401, {"error": {"code": "Unauthorized", "message": message}})

    def _is_known(self, endpoint: Endpoint, mode: str, said: str) -> bool:
        if mode == _KEY:
            return said in (endpoint.key, endpoint.second_key)
        if mode == _ENTRA:
            return (audience_of(said) or "").startswith(_ML)
        now = self.state.clock.now()
        return now < endpoint.tokens.get(said, now)

    def _endpoint(self, name: str, wanted: str) -> Endpoint | Answer:
        """Return an endpoint of a mode; refuse if there is none."""
        if (endpoint := self.state.endpoints.get(name)) is None:
            return not_found(name)
        mode = _mode(endpoint)
        if mode == wanted or self.state.switches.credentials_of_other_modes == "answered":
            return endpoint
        what = "keys" if wanted == _KEY else "tokens"
        message = f"The endpoint has the authentication mode {mode}: it has no {what}."
        return refusal(400, "UserError", message, "BadArgument")


def _mode(endpoint: Endpoint) -> str:
    return str(endpoint.properties.get("authMode")).lower()
