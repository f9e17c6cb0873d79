"""Bugs planted in training with Azure Machine Learning: its provider and its names."""

from typing import Final

from proofs.planted.bug import Bug

_ANSWERS: Final = "tests/unit/providers/azureml/test_odd_answers.py"
_BODIES: Final = "tests/unit/providers/azureml/test_bodies.py"
_CONTRACT: Final = "tests/unit/providers/azureml/test_outputs.py"
_RUNS: Final = "tests/unit/execution/test_azureml_jobs.py"
_START: Final = "tests/unit/providers/azureml/test_start.py"
_STATE: Final = "tests/unit/providers/azureml/test_state.py"

BUGS: Final = (
    Bug(
        "the name of a job does not depend on the workspace",
        "shared/core/names.py",
        'digest("azureml job", run_id, service)',
        'digest("azureml job", run_id)',
        (_START,),
    ),
    Bug(
        "a job is sent without looking whether it is there",
        "shared/providers/azureml/jobs.py",
        "        there = self._found(handle)\n        if there is not None:\n"
        "            return self._adopted(handle, there, request)\n        body, note",
        "        body, note",
        (_START,),
    ),
    Bug(
        "the job of another run is adopted",
        "shared/providers/azureml/jobs.py",
        "        if _owner_of(known) != request.run_id:\n",
        "        if known is None:\n",
        (_START,),
    ),
    Bug(
        "a check adopts the job of another run",
        "shared/providers/azureml/jobs.py",
        "        if not self._may_be_ours(handle, properties_of(job)):\n",
        "        if job is None:\n",
        (_ANSWERS,),
    ),
    Bug(
        "the job of another run is cancelled",
        "shared/providers/azureml/jobs.py",
        "        if there is None or not self._may_be_ours(handle, properties_of(there)):\n",
        "        if there is None:\n",
        (_ANSWERS,),
    ),
    Bug(
        "a job that cannot be changed any more counts as refused",
        "shared/providers/azureml/jobs.py",
        "            if not names(exc.refusal, IMMUTABLE):\n",
        "            if exc.refusal:\n",
        (_START,),
    ),
    Bug(
        "an orphan counts as an attempt",
        "shared/core/run/job_events.py",
        'known = {"job": None, "started_at": None, "outputs_seen": (), "ended_attempts": ended}',
        'known = {"job": None, "started_at": None, "outputs_seen": (), "ended_attempts": ended, '
        '"attempt": run.attempt + 1}',
        (_RUNS,),
    ),
    Bug(
        "an orphan is replaced under its own name",
        "shared/core/names.py",
        '    again = f"-{replaced + 1}" if replaced else ""\n    return f"rl-',
        '    again = ""\n    return f"rl-',
        (_START,),
    ),
    Bug(
        "an unreadable list of steps makes an orphan",
        "shared/providers/azureml/call.py",
        '        raise TransientError(f"{what}: the answer holds no list")\n',
        "        return []\n",
        (_ANSWERS,),
    ),
    Bug(
        "steps take the results of older runs",
        "shared/providers/azureml/bodies.py",
        '            "force_rerun": True,\n',
        "",
        (_BODIES,),
    ),
    Bug(
        "a step that was not run again is not said",
        "shared/providers/azureml/history.py",
        'str(known.get("azureml.isreused")).lower() == "true"',
        'known.get("azureml.isreused") is True',
        (_STATE,),
    ),
    Bug(
        "data is not checked before the job is sent",
        "shared/execution/job.py",
        "        unsent = fresh and run.config.training.takes_copies\n",
        "        unsent = False\n",
        (_RUNS,),
    ),
    Bug(
        "data is not checked after the job has ended",
        "shared/execution/job.py",
        "        if not _has_copies(run):\n            if changed",
        "        if run.job is None:\n            if changed",
        (_RUNS,),
    ),
    Bug(
        "the version of a model is drawn",
        "shared/core/config/azureml_models.py",
        "    return f\"{run_id.rpartition('-')[2]}-{attempt}{again}\"\n",
        '    return f"{id(object()):x}-{attempt}{again}"\n',
        (_CONTRACT,),
    ),
    Bug(
        "a version that holds another model is taken",
        "shared/providers/azureml/models.py",
        '            elif not same_uri(str(properties_of(there).get("modelUri") or ""), '
        'known["modelUri"]):\n',
        "            elif not known:\n",
        (_CONTRACT,),
    ),
    Bug(
        "a rejected model is registered",
        "shared/execution/gate.py",
        "if run.model is None or (event.verdict is not None and not event.verdict.passed):",
        "if run.model is None:",
        ("tests/unit/execution/test_registration.py",),
    ),
    Bug(
        "the second token is not sent",
        "shared/providers/azureml/jobs.py",
        "                headers[_SECOND_TOKEN] = token\n",
        "                pass\n",
        (_START,),
    ),
    Bug(
        "an unknown status is a failure",
        "shared/providers/azureml/jobs.py",
        "        match _ENDS.get(status):\n",
        "        match _ENDS.get(status, None if status in _KNOWN else JobStatus.FAILED):\n",
        (_STATE,),
    ),
    Bug(
        "a metric without a value is zero",
        "shared/providers/azureml/history.py",
        "    except ValueError:\n        return None\n    return number",
        "    except ValueError:\n        return 0.0\n    return number",
        (_CONTRACT,),
    ),
    Bug(
        "what MLflow keeps replaces a missing evaluation",
        "shared/providers/azureml/evaluations.py",
        "        if found is None:\n",
        "        if found is None:\n            return self._logged(job, None)\n"
        "        if not found:\n",
        (_CONTRACT,),
    ),
    Bug(
        "files of an earlier attempt are the output",
        "shared/providers/azureml/outputs.py",
        "            if inside and blob.size and _is_new(blob, job):\n",
        "            if inside and blob.size:\n",
        (_CONTRACT,),
    ),
    Bug(
        "an attempt reads the outputs of the first one",
        "shared/providers/azureml/job_planner.py",
        "        return known or output_path(pipeline, request.run_id, request.attempt, output)\n",
        "        return output_path(pipeline, request.run_id, 1, output)\n",
        (_RUNS,),
    ),
    Bug(
        "a part of a copied output is the output",
        "shared/providers/azureml/outputs.py",
        "        if not files or self.read(_mark(path), _LONGEST_MARK) == _BEGUN:\n",
        "        if not files:\n",
        (_ANSWERS,),
    ),
    Bug(
        "of several files of an evaluation the first is read",
        "shared/providers/azureml/evaluations.py",
        "    if len(readable) == 1:\n",
        "    if readable:\n",
        (_CONTRACT,),
    ),
    Bug(
        "a reason keeps the signature of a log",
        "shared/providers/azureml/history.py",
        '        message = " ".join(self.call.clean(str(error.get("message") or "")).split())\n',
        '        message = " ".join(str(error.get("message") or "").split())[:40]\n',
        (_STATE,),
    ),
    Bug(
        "a role that is late parks the run at once",
        "shared/providers/azureml/errors.py",
        "    if status == HTTPStatus.FORBIDDEN:\n",
        "    if status == HTTPStatus.EXPECTATION_FAILED:\n",
        (_START,),
    ),
    Bug(
        "a token travels to a host that is not a storage",
        "shared/providers/azureml/outputs.py",
        "        if storage.elsewhere is None or _end_of(base) not in self._storage_hosts:\n",
        "        if storage.elsewhere is None:\n",
        (_ANSWERS,),
    ),
    Bug(
        "a component that could not be read is remembered",
        "shared/providers/azureml/registered.py",
        "        if made.runs:\n            self.memory",
        "        if made:\n            self.memory",
        (_ANSWERS,),
    ),
    Bug(
        "what a model says of itself is not redacted",
        "shared/providers/azureml/models.py",
        "name: self.call.clean(str(value)) for name",
        "name: str(value) for name",
        (_ANSWERS,),
    ),
    Bug(
        "an input that the old job was not given is sent",
        "shared/providers/azureml/copies.py",
        'if one.get("value") or one.get("uri")}',
        "if one is not None}",
        (_ANSWERS,),
    ),
    Bug(
        "datastores are listed for each blob of a table",
        "shared/providers/azureml/job_planner.py",
        "[self._long_uri(blob, stores[blob.container]) for blob in blobs]",
        "[self._long_uri(blob, self._data_store(blob.container)) for blob in blobs]",
        (_ANSWERS,),
    ),
    Bug(
        "the newest version of data in a job file is left to the service",
        "shared/providers/azureml/registered.py",
        '{**one, "path": self.fixed_uri(one["path"])}',
        "{**one}",
        (_ANSWERS,),
    ),
)
