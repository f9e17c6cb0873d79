"""Mistakes about what a service says, about events, turns at endpoints, and a changed file."""

from typing import Final

from proofs.bug import Bug

EVENTS: Final = (
    Bug(
        "the service's codes are not said",
        "shared/providers/studio/errors.py",
        '        codes = f"{\', \'.join(named[:_MOST_CODES])}: " if named else ""\n',
        '        codes = ""\n',
        ("tests/unit/test_runbook.py",),
    ),
    Bug(
        "what a service answered to an update that it did not confirm is forgotten",
        "shared/execution/promotion.py",
        "        return UpdateSent(certain=False, service_message=str(exc))\n",
        "        return UpdateSent(certain=False)\n",
        ("tests/unit/test_runbook.py",),
    ),
    Bug(
        "every event has the job looked at",
        "shared/execution/driver.py",
        "            if check_from is None or timedelta() <= age < check_from:\n",
        "            if check_from is not None and timedelta() <= age < check_from:\n",
        ("tests/unit/intake/test_event_looks.py",),
    ),
    Bug(
        "an output file is a reason to look each time that it is announced",
        "shared/core/run/job_events.py",
        "        return self.digest in run.outputs_seen or",
        "        return",
        ("tests/unit/intake/test_event_looks.py",),
    ),
    Bug(
        "an endpoint that became free waits for the next look of whoever wants it",
        "shared/maintenance/poll.py",
        "        self._continue_at_endpoints(gathers)\n",
        "",
        ("tests/unit/execution/test_endpoint_turns.py",),
    ),
    Bug(
        "the time of waiting for a turn counts as time of failing",
        "shared/core/run/control_events.py",
        "        if was is not None and was.waits_for != self.waits_for:\n",
        "        if was is not None and was.count < 0:\n",
        ("tests/unit/execution/test_endpoint_turns.py",),
    ),
    Bug(
        "a changed file is compared by time and size alone",
        "shared/maintenance/watched_files.py",
        "        if stamp == known and sure:\n",
        "        if stamp == known:\n",
        ("tests/unit/maintenance/test_changed_file.py",),
    ),
    Bug(
        "the files that the pipelines file names are not looked at",
        "shared/maintenance/changed_file.py",
        "            watched.remember((self.file, *configuration.probes))\n",
        "            watched.remember((self.file,))\n",
        ("tests/unit/maintenance/test_changed_file.py",),
    ),
    Bug(
        "what landed before a change was noticed is not searched for",
        "shared/intake/search.py",
        "        soon = known.wanted_from is not None\n",
        "        soon = False\n",
        ("tests/unit/maintenance/test_changed_file.py",),
    ),
    Bug(
        "a broken change leaves its pipeline out until the ledger was read",
        "shared/intake/last_good.py",
        "            self.served.replace({**kept, **configuration.pipelines})\n",
        "            self.served.replace(configuration.pipelines)\n",
        ("tests/unit/maintenance/test_changed_file.py",),
    ),
    Bug(
        "wrong settings fail the trigger of a blob",
        "functions/on_training_data.py",
        '        built = usable_app(f"blob {client.blob_name}", of_blob=True)\n',
        "        from shared.app import app\n\n        built = app()\n",
        ("tests/functions/test_triggers.py",),
    ),
)
