"""Bugs planted in the handling of queued events, and of events that could not be delivered."""

from typing import Final

from proofs.planted.bug import Bug

_READING: Final = ("tests/unit/core/test_event_grid.py",)
_INTAKE: Final = ("tests/unit/intake/test_storage_events.py",)
_WORKSPACE: Final = ("tests/unit/maintenance/test_workspace_events.py",)
_GIVEN_UP: Final = ("tests/unit/maintenance/test_undelivered.py",)

BUGS: Final = (
    Bug(
        "a file that was just created counts as data",
        "shared/core/event_grid.py",
        '    if api.lower() == "createfile" and str(size or 0) == "0":\n',
        '    if api == "CreateFile!":\n',
        _READING,
    ),
    Bug(
        "the name of a blob is decoded from the subject",
        "shared/core/event_grid.py",
        '    names = [subject["name"]] if subject else []\n',
        '    names = [unquote(subject["name"])] if subject else []\n',
        (*_READING, *_INTAKE),
    ),
    Bug(
        "names inside the data of an event have a case",
        "shared/core/event_grid.py",
        "    return {str(name).lower(): value for name, value in given.items()}\n",
        "    return dict(given)\n",
        _READING,
    ),
    Bug(
        "a job under way is checked for each of its events",
        "shared/core/event_grid.py",
        ' or str(event.data.get("runstatus", "")).lower() in _UNDER_WAY:\n',
        ":\n",
        (*_READING, *_WORKSPACE),
    ),
    Bug(
        "an event of another account counts",
        "shared/intake/storage_events.py",
        "        return here and blob.container == container\n",
        "        return blob.container == container\n",
        _INTAKE,
    ),
    Bug(
        "a message that is not an event is dropped",
        "shared/intake/storage_events.py",
        '            log.error("%s: %s", FUNCTION, exc)\n            raise\n',
        '            log.error("%s: %s", FUNCTION, exc)\n',
        _INTAKE,
    ),
    Bug(
        "a pattern may match the app's own blobs",
        "shared/core/config/pattern.py",
        " or is_folded(name) or is_reserved(name):\n        return None\n    captured",
        " or is_folded(name):\n        return None\n    captured",
        ("tests/unit/core/config/test_pattern.py", *_INTAKE),
    ),
    Bug(
        "a job of others is looked for in the ledger",
        "shared/maintenance/workspace_events.py",
        "        if pipeline is None:\n            return",
        '        pipeline = pipeline or ""\n        if job is None:\n            return',
        _WORKSPACE,
    ),
    Bug(
        "an alert of a poison queue comes each time that it is looked at",
        "shared/maintenance/undelivered.py",
        "            if queue.messages and (due or more):\n",
        "            if queue.messages:\n",
        _GIVEN_UP,
    ),
    Bug(
        "more messages in a poison queue raise no alert",
        "shared/maintenance/undelivered.py",
        "            if queue.messages and (due or more):\n",
        "            if queue.messages and due:\n",
        _GIVEN_UP,
    ),
    Bug(
        "each process looks at the poison queues",
        "shared/maintenance/undelivered.py",
        "        if stored is not None and timedelta() <= now - stored.record.at < EVERY:\n",
        "        if False:\n",
        _GIVEN_UP,
    ),
)
