"""Changes the traffic of an endpoint: GET, what has to be true, and one whole PUT right after.

Before each PUT the map that is there is one that this app recorded, and every deployment that gets
more requests than before has succeeded; the shares are 100 together. There is no ETag: what another
writer changes between that GET and the PUT is overwritten (azure-machine-learning-v2 §5.1, §5.3).
"""

from datetime import timedelta
from typing import Final

from shared.core.service import service
from shared.core.serving.references import ServingState, Shift
from shared.core.serving.traffic import ALL, TrafficMap
from shared.errors import ChangedByOthersError, PermanentError, TransientError
from shared.providers.azureml.call import properties_of
from shared.providers.azureml.deployment_bodies import bodies_in, lost_of
from shared.providers.azureml.deployment_errors import failure_of
from shared.providers.azureml.endpoint_bodies import with_traffic
from shared.providers.azureml.endpoint_calls import EndpointCalls
from shared.providers.azureml.errors import AzureMlRefusedError
from shared.providers.azureml.online_resources import (
    ShownDeployment,
    ShownEndpoint,
    same_model,
)

#: How long a deployment that is made again may take (azure-machine-learning-v2 §5.2).
_MADE_AGAIN_WITHIN: Final = timedelta(hours=1)
_MOST_MIRRORED: Final = 50
_SEE: Final = (
    "see who changed it; retry the run to go on from the traffic as it is now, or cancel the run"
)
_MAKE_AGAIN: Final = "make it again with `az ml online-deployment create`"


@service
class TrafficUpdates:
    """Changes the traffic of one endpoint.

    Args:
        calls: the calls of the endpoint.
    """

    calls: EndpointCalls

    def shift(self, shift: Shift) -> None:
        """Give a candidate a share. Nothing is sent where that is so, and no update has failed.

        Raises as the port says.
        """
        if shift.before is None or shift.wanted is None:
            text = "the record holds no traffic to begin with"
            raise PermanentError(f"endpoint {self.calls.name}: {text}: retry the run")
        there = self._deployments(_rising(shift.before, shift.wanted))
        endpoint = self.calls.settled()  # the last one: what others change after it is not seen
        now = self.calls.traffic_of(endpoint)
        if now == shift.wanted and not endpoint.is_failed:
            return
        if now not in (shift.before, shift.wanted):
            raise self._changed(now, f"it was {shift.before}", shift.wanted)
        self._put(endpoint, shift.wanted, _rising(now, shift.wanted), there)

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...]) -> None:
        """Give a state its traffic again, once its deployments are there. Raises as the port says.

        Args:
            state: what it is to serve.
            known: the traffic that it may have now, apart from that of the state.
        """
        wanted = state.traffic
        if wanted is None or not wanted.shares:
            raise PermanentError(f"endpoint {self.calls.name}: the record has no traffic map")
        there = self._deployments(_rising(TrafficMap(), wanted))
        endpoint = self.calls.settled()  # the last one: what others change after it is not seen
        now = self.calls.traffic_of(endpoint)
        if now != wanted and now not in known:
            expected = " or ".join(f"({one})" for one in known) or "what it was"
            raise self._changed(now, f"it was {expected}", wanted)
        if now == wanted and not endpoint.is_failed:
            return  # else it says so until a PUT has succeeded
        rising = _rising(now, wanted)
        self._make_again(state, rising, there)
        self._put(endpoint, wanted, rising, there)

    def restorable(self, state: ServingState) -> bool:
        """Return whether a state can be restored: each deployment is there, or can be made again.

        Raises TransientError, PermanentError.
        """
        wanted = state.traffic
        if wanted is None or not wanted.shares:
            return False
        names = _rising(TrafficMap(), wanted)
        there = self._deployments(names)
        return all(self._can_serve(state, name, there.get(name)) for name in names)

    def _put(
        self,
        endpoint: ShownEndpoint,
        wanted: TrafficMap,
        rising: tuple[str, ...],
        there: dict[str, ShownDeployment],
    ) -> None:
        """PUT the map, if it is one that keeps the endpoint serving."""
        _require_whole(endpoint.name, wanted)
        for name in rising:
            deployment = there.get(name)
            if deployment is None or deployment.is_failed or deployment.is_being_deleted:
                state = deployment.state if deployment else "not there"
                text = f"deployment {name} is {state}, and gets no requests"
                raise self.calls.refused(text, f"see it in Studio; {_MAKE_AGAIN}")
            if not deployment.is_ready:
                text = f"deployment {name} is {deployment.state}: waiting for it"
                raise TransientError(f"endpoint {endpoint.name}: {text}")
        self.calls.put_endpoint(with_traffic(endpoint, wanted))

    def _deployments(self, names: tuple[str, ...]) -> dict[str, ShownDeployment]:
        """Return those of these deployments that are there: by one GET, however many they are."""
        if len(names) == 1:
            found = self.calls.deployment(names[0])
            return {names[0]: found} if found else {}
        if not names:
            return {}
        all_of_them = self.calls.deployments()
        return {name: all_of_them[name.lower()] for name in names if name.lower() in all_of_them}

    def _make_again(
        self, state: ServingState, names: tuple[str, ...], there: dict[str, ShownDeployment]
    ) -> None:
        """Make deployments again that are gone or failed: one PUT for each call.

        Raises TransientError until all of them have succeeded.
        """
        for name in names:
            deployment = there.get(name)
            if deployment is not None and deployment.is_ready:
                self._require_same_model(state, name, deployment)
                continue
            if deployment is None:
                self._make(state, name)
                waiting = f"deployment {name} is made again"
            elif deployment.is_failed:
                waiting = self._repair(state, name, deployment)
            else:
                waiting = f"deployment {name} is {deployment.state}"
            text = f"endpoint {self.calls.name}: {waiting}: waiting for it"
            raise TransientError(text, patience=_MADE_AGAIN_WITHIN)

    def _repair(self, state: ServingState, name: str, deployment: ShownDeployment) -> str:
        """Make a failed deployment again, if that makes sense now; return what is waited for."""
        failed = failure_of(self.calls.call, deployment)
        words = f"deployment {name} is {deployment.state} ({failed})"
        if not failed.may_be_repeated:
            return f"{words}: {failed.advice}"
        try:
            self._make(state, name)
        except AzureMlRefusedError:
            # Some failed deployments take no PUT; one of ours is made from nothing then.
            if not deployment.is_ours:
                raise
            self.calls.delete_deployment(name)
            return f"{words} and is deleted, to be made again"
        return f"{words} and is made again"

    def _make(self, state: ServingState, name: str) -> None:
        body, lost = bodies_in(state).get(name), lost_of(state, name)
        if body is None or lost:
            what = f"does not hold {lost}, which may be a secret" if lost else "holds no body"
            text = f"deployment {name} cannot be made again: its record {what}"
            raise self.calls.refused(text, _MAKE_AGAIN)
        self.calls.put_deployment(name, body, answered=True)

    def _can_serve(
        self, state: ServingState, name: str, deployment: ShownDeployment | None
    ) -> bool:
        gone = deployment is None or deployment.is_being_deleted or deployment.is_failed
        if deployment is None or gone:
            return self._can_be_made(state, name)
        return not _changed_model(state, name, deployment)

    def _can_be_made(self, state: ServingState, name: str) -> bool:
        body = bodies_in(state).get(name)
        if body is None or lost_of(state, name):
            return False
        return self.calls.has_model(str(body["properties"].get("model") or ""))

    def _require_same_model(
        self, state: ServingState, name: str, deployment: ShownDeployment
    ) -> None:
        """Refuse to send requests to a deployment whose model others have changed."""
        if recorded := _changed_model(state, name, deployment):
            text = f"deployment {name} has the model {deployment.model} now, and not {recorded}"
            advice = "give it that model again, or delete it to have it made again"
            raise PermanentError(f"endpoint {self.calls.name}: {text}: {advice}", advice=advice)

    def _changed(self, found: TrafficMap, before: str, wanted: TrafficMap) -> ChangedByOthersError:
        text = (
            f"another program or an operator changed the traffic of endpoint {self.calls.name}: "
            f"it is {found}, {before}, and {wanted} was to come"
        )
        return ChangedByOthersError(f"{text}: {_SEE}", found.model_dump(), advice=_SEE)


def _rising(now: TrafficMap, wanted: TrafficMap) -> tuple[str, ...]:
    """Return the deployments that get more requests or copies than now."""
    both = ((wanted.shares, now.shares), (wanted.mirror, now.mirror))
    more = (name for new, old in both for name in new if new[name] > old.get(name, 0))
    return tuple(sorted(more))


def _changed_model(state: ServingState, name: str, deployment: ShownDeployment) -> str:
    """Return the recorded model of a deployment that has another one now; else nothing."""
    body = bodies_in(state).get(name) or {}
    recorded = str(properties_of(body).get("model") or "")
    known = recorded and deployment.model
    return recorded if known and not same_model(recorded, deployment.model) else ""


def _require_whole(endpoint: str, wanted: TrafficMap) -> None:
    """Refuse a map that would leave requests without an answer."""
    problems = (
        (sum(wanted.shares.values()) != ALL, f"the shares are not {ALL} % together"),
        (any(share < 0 for share in wanted.shares.values()), "a share is negative"),
        (len(wanted.mirror) > 1, "copies go to one deployment at most"),
        (any(not 0 < part <= _MOST_MIRRORED for part in wanted.mirror.values()), "too many copies"),
        (bool(wanted.mirror.keys() & wanted.shares.keys()), "copies go to none with requests"),
    )
    wrong = next((what for is_wrong, what in problems if is_wrong), None)
    if wrong is not None:
        raise PermanentError(f"endpoint {endpoint}: {wanted} is not sent: {wrong}")
