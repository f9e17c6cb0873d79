"""Plants bugs in copies of the code, one at a time, and shows that the tests find each.

A suite that finds nothing may be a suite that cannot find anything.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from proofs.bug import Bug
from proofs.planted_events import EVENTS
from proofs.planted_listings import LISTINGS
from proofs.planted_serving import SERVING
from proofs.planted_shown import SHOWN
from proofs.planted_turns import TURNS
from proofs.planted_versions import VERSIONS
from proofs.trial import Effort, Outcome, Violation, again

ROOT: Final = Path(__file__).parents[1]
_COPIED: Final = ("shared", "functions", "local", "tests", "proofs", "docs")
_FILES: Final = (
    "function_app.py",
    "host.json",
    "pyproject.toml",
    "openapi.json",
    "pipelines.schema.json",
    "pipelines.example.yaml",
    "probe.example.json",
)
_MOST_SECONDS: Final = 300
_TESTS_FAILED: Final = 1
_NOT_COLLECTED: Final = 2


BUGS: Final = (
    Bug(
        "no claim before acting",
        "shared/execution/driver.py",
        "            if command.acts and not mine:\n",
        "            if command.acts and not mine and now.year < 0:\n",
        ("tests/sweep/test_fault_sweep.py",),
    ),
    Bug(
        "a lost answer is not read back",
        "shared/providers/azure_storage/documents.py",
        "            if mine := self._arrived(name, write_id, exc):\n                return mine\n",
        "",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "records are written over unconditionally",
        "shared/ledger/runs.py",
        "        return self.put(run.run_id, run, expected)\n",
        "        return self.put(run.run_id, run, self.read(run.run_id).etag)\n",
        ("tests/unit/ledger/test_store.py", "tests/sweep/test_fault_sweep.py"),
    ),
    Bug(
        "a job is started before it is recorded",
        "shared/execution/job.py",
        "        return JobCreated(job, inputs)\n",
        "        self._service(run).ensure_started(job, self._request(known))\n"
        "        return JobCreated(job, inputs)\n",
        ("tests/sweep/test_fault_sweep.py",),
    ),
    Bug(
        "promotions go in any order",
        "shared/execution/endpoint_lease.py",
        "    if is_superseded(known, run.data_time, data.version):\n",
        "    if is_superseded(known, run.data_time, data.version) and run.data_time.year < 1:\n",
        (
            "tests/unit/execution/test_promotion.py",
            "tests/unit/execution/test_promotion_regressions.py",
        ),
    ),
    Bug(
        "a lease may be shorter than functionTimeout",
        "shared/config/settings.py",
        "    if lease <= timeout:\n",
        "    if lease <= timeout - timeout:\n",
        ("tests/unit/config/test_settings.py",),
    ),
    Bug(
        "the reservation is dropped",
        "shared/core/serving/state.py",
        "        endpoint_lease=endpoint_lease,\n",
        "        endpoint_lease=None,\n",
        ("tests/unit/core/serving/test_endpoint_state.py", "tests/sweep/test_fault_sweep.py"),
    ),
    Bug(
        "what a run has taken is gathered again",
        "shared/intake/batch_claims.py",
        "            if found is not None and (one.blob.name, mark_of(one.blob)) not in found:\n",
        "            if found is not None:\n",
        ("tests/unit/intake/test_gathering_race.py", "tests/unit/intake/test_taking.py"),
    ),
    Bug(
        "a place that is taken is given away",
        "shared/intake/batches.py",
        "        if most is None or len(run_queue.holders) < most:\n",
        "        if most is None or len(run_queue.holders) <= most:\n",
        ("tests/unit/intake/test_gathering.py",),
    ),
    Bug(
        "a version is in a manifest that was not claimed for it",
        "shared/intake/batch_claims.py",
        "            if ledger.versions.add(one.version_id, entry):\n                return True\n",
        "            ledger.versions.add(one.version_id, entry)\n            return True\n",
        ("tests/unit/intake/test_taking.py",),
    ),
    Bug(
        "the id of a run whose record was removed is used again",
        "shared/intake/batches.py",
        "        while ledger.tombstones.has(run_id):",
        "        while False:",
        ("tests/unit/intake/test_taking.py",),
    ),
    Bug(
        "hosts go by their own clocks",
        "shared/ports/clock.py",
        "        if not least <= self._ahead <= most:\n",
        "        if False:\n",
        ("tests/unit/ports/test_storage_clock.py",),
    ),
    Bug(
        "an accepted update counts as live",
        "shared/execution/promotion.py",
        "        match judged.verdict:\n            case VerificationResult.WAIT:\n"
        "                return _waiting(look, judged)\n"
        "            case VerificationResult.LIVE if",
        "        match VerificationResult.LIVE:\n            case VerificationResult.WAIT:\n"
        "                return _waiting(look, judged)\n"
        "            case VerificationResult.LIVE if",
        ("tests/unit/execution/test_promotion.py",),
    ),
    Bug(
        "a metadata write counts as new data",
        "shared/ledger/versions.py",
        "        return newest.modified.isoformat() if known else None\n",
        "        return None\n",
        ("tests/unit/intake/test_intake.py",),
    ),
    Bug(
        "the gate lets everything pass",
        "shared/core/run/gate_events.py",
        "        passed = self.verdict is None or self.verdict.passed\n",
        "        passed = True\n",
        ("tests/unit/execution/test_gate_runs.py",),
    ),
    Bug(
        "a place is kept by whoever is over",
        "shared/core/run/concurrency.py",
        "    return run.phase.ended or run.phase in _IDLE\n",
        "    return False\n",
        ("tests/unit/intake/test_gathering.py",),
    ),
    Bug(
        "a version is forgotten while its blob is there",
        "shared/maintenance/retention_rules.py",
        "        self._renew(version, stored)\n        return False\n",
        "        return True\n",
        ("tests/unit/maintenance/test_retention_data.py",),
    ),
    Bug(
        "a container that is gone for now takes its versions along",
        "shared/maintenance/retention_rules.py",
        "            self._require_container(entry.blob)\n",
        "",
        ("tests/unit/maintenance/test_retention_data.py",),
    ),
    Bug(
        "an unreadable endpoint names nobody",
        "shared/maintenance/retention_rules.py",
        "            return _Names(text=found.body) if found else _Names()\n",
        "            return _Names() if found else _Names()\n",
        ("tests/unit/maintenance/test_retention_rounds.py",),
    ),
    Bug(
        "cleaning begins at the front each time",
        "shared/maintenance/retention.py",
        "        items = [item for item in page.items if item.name > state.checked_to]\n",
        "        items = list(page.items)\n",
        ("tests/unit/maintenance/test_retention_rounds.py",),
    ),
    Bug(
        "a tombstone goes while a slot names its run",
        "shared/maintenance/retention_rules.py",
        "        return found is None or run_id.encode() not in found.body\n",
        "        return True or found is None\n",
        ("tests/unit/maintenance/test_retention_runs.py",),
    ),
    Bug(
        "a resume ends a pause that nobody looked at",
        "shared/operations/pipelines.py",
        "            ledger.pauses.put(name, pauses, found.etag)\n",
        "            ledger.pauses.put(name, pauses, ledger.pauses.read(name).etag)\n",
        ("tests/functions/test_people_api.py",),
    ),
    Bug(
        "a pause by failures outlives the resume",
        "shared/core/run/concurrency.py",
        "        return pause if pause is not None and self.counts(pause.at) else None\n",
        "        return pause\n",
        ("tests/unit/execution/test_turns.py",),
    ),
    Bug(
        "what steps learn is kept with secrets",
        "shared/execution/driver.py",
        "        return self._context.redactor.clean(learned, keep=_KEPT)\n",
        "        return learned\n",
        ("tests/unit/providers/test_guards.py",),
    ),
    Bug(
        "what an endpoint tells passes uncleaned",
        "shared/providers/redacting.py",
        "        return replace(self.redactor.clean(seen), configured=configured)\n",
        "        return replace(seen, configured=configured)\n",
        ("tests/unit/providers/test_guards.py",),
    ),
    Bug(
        "a location is made of a URL with its signature",
        "shared/providers/azure_storage/copies.py",
        '    return urlunsplit((scheme, host, f"{path.rstrip(\'/\')}/", "", ""))\n',
        "    return url\n",
        ("tests/unit/providers/test_storage_account.py",),
    ),
    Bug(
        "a connection string with a signature is taken for one with a key",
        "shared/config/connections.py",
        '    elif "sharedaccesssignature" in members or "sig" in members:\n',
        "    elif False:\n",
        ("tests/unit/config/test_connections.py",),
    ),
    Bug(
        "a number is rounded on its way from the file",
        "shared/config/scalars.py",
        '    if kind == "float" and _JSON_NUMBER.fullmatch(text) and repr(float(text)) == text:\n',
        '    if kind == "float":\n',
        ("tests/unit/config/test_yaml_scalars.py",),
    ),
    Bug(
        "a turned range of a schedule goes over the end",
        "shared/core/config/ncrontab.py",
        "            first, last = last, first\n",
        "            last = field.most\n",
        ("tests/unit/core/config/test_ncrontab.py",),
    ),
    Bug(
        "a secret passes for a job id",
        "shared/providers/redacting.py",
        "        if self.redactor.text(handle) != handle:\n",
        "        if not handle:\n",
        ("tests/unit/providers/test_guards.py",),
    ),
    Bug(
        "keys that services tell are not learned",
        "shared/providers/studio/call.py",
        "        from_service = _KEYS.findall(answer.body) if answer.ok else []\n",
        "        from_service = []\n",
        ("tests/unit/providers/test_adapters.py",),
    ),
    Bug(
        "a bare signature is not known by its shape",
        "shared/core/secret_shapes.py",
        "    return HIDDEN if random else value\n",
        "    return value\n",
        ("tests/unit/core/test_redaction.py",),
    ),
    Bug(
        "tracebacks are logged as they are",
        "shared/telemetry.py",
        "        record.exc_text = clean\n",
        "        return\n",
        ("tests/unit/providers/test_guards.py",),
    ),
    Bug(
        "anonymous health lists the open runs",
        "functions/health.py",
        "    stored, tick = ledger.heartbeat.read(), ledger.tick.read()\n",
        "    list(built.context.ledger.open_markers.listed())\n"
        "    stored, tick = ledger.heartbeat.read(), ledger.tick.read()\n",
        ("tests/functions/test_health.py",),
    ),
    Bug(
        "one look at answers that vary makes a model live",
        "shared/core/serving/verification.py",
        "    if case.moved(case.probe_series.last) and case.moved(case.probe_series.earlier):\n",
        "    if case.moved(probe):\n",
        ("tests/unit/core/serving/test_verification.py", "tests/unit/execution/test_pauses.py"),
    ),
    Bug(
        "a pause between two looks counts in full",
        "shared/core/serving/probe_series.py",
        "        gap = min(max(gap, timedelta()), _LONGEST_GAP * every)\n",
        "        gap = max(gap, timedelta())\n",
        ("tests/unit/core/serving/test_verification.py",),
    ),
    Bug(
        "two looks are enough for a verdict",
        "shared/core/serving/probe_series.py",
        "LEAST_PROBES: Final = 3\n",
        "LEAST_PROBES: Final = 2\n",
        ("tests/unit/core/serving/test_verification.py",),
    ),
    Bug(
        "the looks at one update count for the next",
        "shared/core/run/promotion_events.py",
        '    "probe_series": NO_PROBES,\n',
        "",
        ("tests/unit/core/run/test_machine.py",),
    ),
    Bug(
        "two failures with a pause between them park a run",
        "shared/core/run/control_events.py",
        "        if long and count >= LEAST_TRIES:\n",
        "        if long:\n",
        ("tests/unit/execution/test_pauses.py",),
    ),
    Bug(
        "answers from before are taken while another update is unsettled",
        "shared/execution/endpoint_lease.py",
        "        before = self._before(run, endpoint, serving) if left is None else None\n",
        "        before = self._before(run, endpoint, serving)\n",
        ("tests/unit/execution/test_promotion_regressions.py",),
    ),
    Bug(
        "what another run left unsettled is forgotten by a takeover",
        "shared/core/serving/state.py",
        "        in_flight=in_flight_lease(endpoint_state, run.run_id),\n",
        "        in_flight=None,\n",
        ("tests/unit/execution/test_promotion_regressions.py",),
    ),
    Bug(
        "a retry records a gate that it does not apply",
        "shared/core/run/retry.py",
        "    return Phase.JUDGED if other_gate else None\n",
        "    return None\n",
        ("tests/unit/execution/test_retry_by_changed_gate.py",),
    ),
    Bug(
        "an approval outlives the gate that it was given for",
        "shared/core/run/retry.py",
        '    "unchecked": None,\n    "approval": None,\n    "awaiting_since": None,\n',
        '    "unchecked": None,\n',
        ("tests/unit/execution/test_retry_by_changed_gate.py",),
    ),
    Bug(
        "a model that may serve is judged again where it is",
        "shared/core/run/retry.py",
        "    if run.promotion is not None and run.promotion.ever_sent:\n        note",
        "    if run.promotion is not None and run.promotion.generation < 0:\n        note",
        ("tests/unit/execution/test_retry_by_changed_gate.py",),
    ),
    Bug(
        "a delivery is retried past its gate",
        "shared/core/run/retry.py",
        "        return not _ending(run) and withdrawn(run, run.config, now)\n",
        "        return False\n",
        ("tests/unit/execution/test_retry_by_changed_gate.py",),
    ),
    Bug(
        "an update that a dead worker may have sent is taken for none",
        "shared/execution/driver.py",
        '            changes["promotion"] = _perhaps_sent(run, command)\n',
        "",
        ("tests/unit/execution/test_retry_by_changed_gate.py",),
    ),
    Bug(
        "a roll-out goes on after an unchanged return that was taken over",
        "shared/core/run/rollout.py",
        'failed in ("rolled_back", "unchanged")',
        'failed in ("rolled_back",)',
        ("tests/unit/execution/test_roll_out_regressions.py",),
    ),
    Bug(
        "one error ahead of an update is what the endpoint answered before",
        "shared/execution/endpoint_lease.py",
        "            if same + 1 >= LEAST_PROBES:\n",
        "            if same >= 0:\n",
        ("tests/unit/execution/test_pauses.py",),
    ),
    Bug(
        "a delivery that was retried by itself is told as it was parked",
        "shared/operations/runs.py",
        "            return delivered(delivery, run)\n",
        "            return delivery\n",
        ("tests/unit/execution/test_retry_by_changed_gate.py",),
    ),
    Bug(
        "the time in which nobody tried a step counts as patience",
        "shared/core/run/control_events.py",
        "        idle = max(late, timedelta())\n",
        "        idle = min(late, timedelta())\n",
        ("tests/unit/core/run/test_machine.py",),
    ),
    Bug(
        "a query parameter is cut short before it is cleaned",
        "functions/responses.py",
        "one_line(cleaned(name)[:50])",
        "one_line(name[:50])",
        ("tests/functions/test_secret_requests.py",),
    ),
    Bug(
        "two different errors confirm drift",
        "shared/core/serving/drift.py",
        "            return _kind_of(drift_check.suspicion) == _kind_of(seen.drift)\n",
        "            return True\n",
        ("tests/unit/maintenance/test_drift.py",),
    ),
    Bug(
        "two different oddities confirm drift",
        "shared/core/serving/drift.py",
        "not seen.drift or drift_check.drift_kind is not seen.drift_kind:\n",
        "not seen.drift:\n",
        ("tests/unit/maintenance/test_drift.py",),
    ),
    Bug(
        "drift is not looked for beside a parked run",
        "shared/maintenance/drift.py",
        "is not None and holder.phase.updates:\n",
        "is not None:\n",
        ("tests/unit/maintenance/test_drift.py",),
    ),
    Bug(
        "any blob is signed for an endpoint",
        "shared/core/config/studio_models.py",
        "    return folder in MODEL_FOLDERS and bool(rest) and not is_folded(path)\n",
        "    return bool(folder)\n",
        ("tests/unit/execution/test_baselines.py",),
    ),
    Bug(
        "a copy within our account is made by our own authority",
        "shared/providers/azure_storage/copies.py",
        "            if not self._opens(container, name, source.signature):\n",
        "            if not name:\n",
        ("tests/unit/providers/test_blob_copies.py",),
    ),
    Bug(
        "old bytes at the target of a copy are kept",
        "shared/providers/azure_storage/copies.py",
        "    return since is not None and found.last_modified < since - CLOCK_SKEW\n",
        "    return False\n",
        ("tests/contract/test_blobs.py",),
    ),
    Bug(
        "an output of an earlier job is taken for this one's",
        "shared/providers/studio/models.py",
        "        if why := left_before(model, job):\n",
        "        if why := left_before(None, job):\n",
        ("tests/unit/execution/test_model_steps.py",),
    ),
    Bug(
        "an endpoint has a record for each host",
        "shared/core/serving/references.py",
        '        return digest("endpoint", self.provider, self.identity)\n',
        '        return digest("endpoint", self.provider, self.name)\n',
        ("tests/unit/core/config/test_studio_identity.py",),
    ),
    Bug(
        "a leased record is a lost race",
        "shared/providers/azure_storage/errors.py",
        '    return status in _REFUSED and _code(exc) in ("", *_LOST)\n',
        "    return status in _REFUSED\n",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "directories are read as records",
        "shared/providers/azure_storage/pages.py",
        '    return told.get(_IS_FOLDER, "").lower() == "true"\n',
        "    return not told\n",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "a pipeline with an error is served by nothing",
        "shared/intake/last_good.py",
        "        self.served.adopt(kept.pipeline)\n",
        "",
        ("tests/unit/intake/test_last_good.py",),
    ),
    Bug(
        "the last good configuration of a pipeline with an error is forgotten",
        "shared/intake/last_good.py",
        "            if name in self._file.pipelines or name in self._file.broken:\n",
        "            if name in self._file.pipelines:\n",
        ("tests/unit/intake/test_last_good.py",),
    ),
    Bug(
        "a configuration that changed is not stored",
        "shared/intake/last_good.py",
        '    if listed is None or listed.metadata.get("digest") != digest:\n',
        "    if listed is None:\n",
        ("tests/unit/intake/test_last_good.py",),
    ),
    Bug(
        "every change of a pipeline begins its schedule anew",
        "shared/intake/last_good.py",
        "        if stored is not None and stored.record.pipeline.schedule == pipeline.schedule:\n",
        "        if stored is not None and stored.record.pipeline == pipeline:\n",
        ("tests/unit/intake/test_due_times.py",),
    ),
    Bug(
        "a first due time is lost to a late tick",
        "shared/intake/due_times.py",
        "        if known is None:\n            return since\n",
        "        if known is None:\n            return max(since, now - _ON_TIME)\n",
        ("tests/unit/intake/test_due_times.py",),
    ),
    Bug(
        "what aliases make large is made before it is measured",
        "shared/config/yaml_reader.py",
        "            _Sizes().of(node)\n",
        "            pass\n",
        ("tests/unit/config/test_limits.py",),
    ),
    Bug(
        "a probe may lie anywhere",
        "shared/config/files.py",
        "    if not real.is_relative_to(base) or real == base:\n",
        "    if real == base:\n",
        ("tests/unit/config/test_limits.py",),
    ),
    Bug(
        "a URL keeps whatever its query says",
        "shared/core/config/studio_urls.py",
        "        if form is not None and form.fullmatch(value) and names.count(known) == 1:\n",
        "        if form is None or form.fullmatch(value):\n",
        ("tests/unit/config/test_limits.py",),
    ),
    Bug(
        "a service that fails now and then is left alone",
        "shared/execution/bulkheads.py",
        "            self._failures[bulkhead] = 0\n",
        "",
        ("tests/unit/execution/test_lanes.py",),
    ),
    Bug(
        "a run that cannot be read keeps the queue waiting",
        "shared/execution/concurrency.py",
        "            self._report_once(run_id, exc)\n            return True\n",
        "            return False\n",
        ("tests/unit/ledger/test_unreadable_queues.py",),
    ),
    Bug(
        "the end of a pause goes unnoticed",
        "shared/execution/queues.py",
        'return stored.etag if stored else "", phases, self._pause(name)\n',
        'return stored.etag if stored else "", phases\n',
        ("tests/unit/execution/test_queue_costs.py",),
    ),
    Bug(
        "the end of a run that holds a place goes unnoticed",
        "shared/execution/queues.py",
        'return stored.etag if stored else "", phases, self._pause(name)\n',
        'return stored.etag if stored else "", self._pause(name)\n',
        ("tests/unit/execution/test_queue_costs.py",),
    ),
    Bug(
        "the first pipelines come first in each call",
        "shared/intake/schedules.py",
        "deque(pipelines[at:] + pipelines[:at])\n",
        "deque(pipelines)\n",
        ("tests/unit/maintenance/test_fairness.py",),
    ),
    Bug(
        "what cannot be looked up is forgotten",
        "shared/intake/search.py",
        "            again=known.unread,\n",
        "",
        ("tests/unit/intake/test_search.py",),
    ),
    *TURNS,
    *EVENTS,
    *VERSIONS,
    *LISTINGS,
    *SERVING,
    *SHOWN,
)


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Plant each bug of this shard, and have its tests look for it."""
    violations, planted = [], BUGS[shard::shards]
    for bug in planted:
        found = is_found(bug)
        if not found:
            plan = f"{again('planted bugs')}  # {bug.name}: {bug.file}"
            violations.append(Violation(plan, f"{', '.join(bug.tests)} did not find it"))
        effort.progress()
    return [Outcome("every planted bug is found by the tests", len(planted), tuple(violations))]


def is_found(bug: Bug) -> bool:
    """Whether the tests fail because of `bug`, in a copy of the code.

    Raises:
        ValueError: the code has no place for it (any more).
    """
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Path(folder)
        for name in _COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        for name in _FILES:
            shutil.copy(ROOT / name, copy / name)
        (copy / "node_modules").symlink_to(ROOT / "node_modules")
        file = copy / bug.file
        file.write_text(planted_in(file.read_text(encoding="utf-8"), bug), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *bug.tests]
        done = subprocess.run(  # noqa: S603 -- our own tests
            command, cwd=copy, capture_output=True, timeout=_MOST_SECONDS, check=False
        )
        # A sweep that cannot even be begun fails while its tests are collected.
        wrong = done.returncode == _NOT_COLLECTED and b"AssertionError" in done.stdout
        return wrong or done.returncode == _TESTS_FAILED


def planted_in(text: str, bug: Bug) -> str:
    """Return the code with the bug. Raises ValueError where it has no place for it."""
    if bug.right not in text:
        raise ValueError(f"{bug.file} has no place for: {bug.name}")
    return text.replace(bug.right, bug.wrong)
