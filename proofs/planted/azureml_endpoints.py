"""Bugs planted in the provider of online endpoints: its requests, its records, its answers."""

from typing import Final

from proofs.planted.bug import Bug

_TESTS: Final = "tests/unit/providers/azureml/test_endpoint"
_CANDIDATES: Final = f"{_TESTS}_candidates.py"
_FAILURES: Final = f"{_TESTS}_failures.py"
_METRICS: Final = f"{_TESTS}_metrics.py"
_ROLLBACK: Final = f"{_TESTS}_rollback.py"
_SCORING: Final = f"{_TESTS}_scoring.py"
_SECRETS: Final = f"{_TESTS}_secrets.py"
_STAGING: Final = f"{_TESTS}_staging.py"
_STATES: Final = f"{_TESTS}_states.py"
_TRAFFIC: Final = f"{_TESTS}_traffic.py"
_FOLDER: Final = "shared/providers/azureml"

BUGS: Final = (
    Bug(
        "a rollback goes to a deployment whose model others have changed",
        f"{_FOLDER}/traffic_updates.py",
        "                self._require_same_model(state, name, deployment)\n",
        "",
        (_ROLLBACK,),
    ),
    Bug(
        "an update that failed is not asked for again",
        f"{_FOLDER}/traffic_updates.py",
        "        if now == wanted and not endpoint.is_failed:\n",
        "        if now == wanted:\n",
        (_ROLLBACK,),
    ),
    Bug(
        "a shift overwrites the traffic of others",
        f"{_FOLDER}/traffic_updates.py",
        "        if now not in (shift.before, shift.wanted):\n",
        "        if shift.before is None:\n",
        (_TRAFFIC,),
    ),
    Bug(
        "a rollback overwrites the traffic of others",
        f"{_FOLDER}/traffic_updates.py",
        "        if now != wanted and now not in known:\n",
        "        if wanted is None:\n",
        (_ROLLBACK,),
    ),
    Bug(
        "traffic whose shares are not 100 together is sent",
        f"{_FOLDER}/traffic_updates.py",
        "        _require_whole(endpoint.name, wanted)\n",
        "",
        (_TRAFFIC,),
    ),
    Bug(
        "requests go to a deployment that has not succeeded",
        f"{_FOLDER}/traffic_updates.py",
        "            if not deployment.is_ready:\n                text",
        "            if deployment.is_being_deleted:\n                text",
        (_TRAFFIC,),
    ),
    Bug(
        "traffic is compared while an update runs",
        f"{_FOLDER}/endpoint_calls.py",
        "        if found.is_busy:\n            raise",
        "        if found.is_being_deleted:\n            raise",
        (_TRAFFIC,),
    ),
    Bug(
        "a state that is not known counts as settled",
        f"{_FOLDER}/online_resources.py",
        "        return not self.is_ready and not self.is_failed",
        '        return self.state in ("Creating", "Updating")',
        (_TRAFFIC,),
    ),
    Bug(
        "a body that lost a secret is sent",
        f"{_FOLDER}/traffic_updates.py",
        "        if body is None or lost:\n",
        "        if body is None:\n",
        (_SECRETS,),
    ),
    Bug(
        "what has no model any more counts as restorable",
        f"{_FOLDER}/traffic_updates.py",
        "        return self.calls.has_model(",
        "        return bool(body) or self.calls.has_model(",
        (_ROLLBACK,),
    ),
    Bug(
        "a deployment of others is deleted",
        f"{_FOLDER}/serving.py",
        "        if there is None or not there.is_ours:\n            return True",
        "        if there is None:\n            return True",
        (_STAGING,),
    ),
    Bug(
        "a deployment that gets copies is deleted",
        f"{_FOLDER}/serving.py",
        "        if candidate.name in (*traffic.shares, *traffic.mirror):\n",
        "        if candidate.name in traffic.shares:\n",
        (_STAGING,),
    ),
    Bug(
        "a deployment of another run is taken for the candidate",
        f"{_FOLDER}/online_resources.py",
        'same and self.tags.get(RUN_TAG) == body["tags"].get(RUN_TAG)\n',
        "same\n",
        (_STAGING,),
    ),
    Bug(
        "a candidate with a part of the requests is not asked by name",
        f"{_FOLDER}/serving.py",
        "shift.share < ALL else None",
        "shift.share > ALL else None",
        (_STATES,),
    ),
    Bug(
        "several deployments of others count as one",
        f"{_FOLDER}/serving.py",
        "        if len(others) > 1:\n",
        "        if len(others) > 2:\n",
        (_STATES,),
    ),
    Bug(
        "a variable that is named like a secret is recorded",
        f"{_FOLDER}/endpoint_bodies.py",
        "        elif clean(text) != text or any(secrets_among({name: text})):\n",
        "        elif clean(text) != text:\n",
        (_SECRETS,),
    ),
    Bug(
        "the address of an operation is recorded",
        f"{_FOLDER}/endpoint_bodies.py",
        '{n: v for n, v in own["properties"].items() if n != OPERATION}',
        'dict(own["properties"])',
        (_SECRETS,),
    ),
    Bug(
        "copies are left out without a word",
        f"{_FOLDER}/endpoint_bodies.py",
        '    if name == "mirrorTraffic":\n        return not own.get(name)\n',
        "",
        (_TRAFFIC,),
    ),
    Bug(
        "a refused key is not read again",
        f"{_FOLDER}/scoring.py",
        "        if answer.status != HTTPStatus.UNAUTHORIZED or mode == _AAD:\n"
        "            return answer\n",
        "        if answer.ok or mode:\n            return answer\n",
        (_SCORING,),
    ),
    Bug(
        "the redactor does not learn the key of an endpoint",
        f"{_FOLDER}/endpoint_calls.py",
        "            self.call.redactor.learn_from_service(key)\n",
        "",
        (_SCORING,),
    ),
    Bug(
        "who answered is not kept",
        f"{_FOLDER}/scoring.py",
        "evolve(answered_by=self._who(found))",
        "evolve()",
        (_SCORING,),
    ),
    Bug(
        "a minute without requests is a measure",
        f"{_FOLDER}/traffic_metrics.py",
        "                if 0 < value < math.inf:\n",
        "                if 0 <= value < math.inf:\n",
        (_METRICS,),
    ),
    Bug(
        "a token travels to any host that an answer names",
        f"{_FOLDER}/deployment_errors.py",
        "    if not url or host_of(url) != host_of(call.workspace.host):\n",
        "    if not url:\n",
        (_FAILURES,),
    ),
    Bug(
        "a quota that is used up is asked for each minute",
        f"{_FOLDER}/traffic_updates.py",
        "        if not failed.may_be_repeated:\n",
        "        if not failed.advice:\n",
        (_FAILURES,),
    ),
    Bug(
        "an answer that is not a number is a score",
        f"{_FOLDER}/json_answers.py",
        '        raise ValueError("a score is not a finite number")',
        "        return str(value)",
        (_SCORING,),
    ),
    Bug(
        "another try of a candidate has the name of the first",
        f"{_FOLDER}/deployment_bodies.py",
        "run_id, model.digest, str(again)",
        "run_id, model.digest",
        (_CANDIDATES,),
    ),
)
