"""`relearn upload`: puts a file into the training data container of the local storage."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cli.output import CommandError, Output
from cli.remote import RemoteApp
from cli.settings import folder_of, settings_in
from shared.app import App, Unusable, of_settings
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule_words import what_it_waits_for
from shared.core.counting import counted
from shared.core.run.data_version import reads
from shared.errors import RelearnError

LOCAL_APP: Final = "http://127.0.0.1:7071"
_LARGEST: Final = 256 * 1024 * 1024
_LONGEST_NAME: Final = 1024
_RUN_WITHIN: Final = 30.0  #: in seconds; the local host notices a blob within two
_ASK_EVERY: Final = 1.0
_LOOPBACK: Final = ("127.0.0.1", "localhost")


def run(output: Output, file: Path, name: str | None, url: str, settings: Path) -> int:
    """Upload a file, and show the run that opens where the app runs.

    Args:
        output: where it is printed.
        file: what is uploaded.
        name: of the blob; None: it is derived.
        url: of the app.
        settings: the app settings.

    Raises:
        CommandError: it cannot be uploaded; the message says what to do.
    """
    if name is not None and not _is_name(name):
        raise CommandError(f"--name {name!r} is not a name of a blob: write it like {file.name}", 2)
    content = _content(file)
    app = _local_app(settings)
    container = app.context.data_container
    blob, pipelines = _name(app, file, name)
    known = _runs(url)
    try:
        with output.working(f"uploading {file.name}"):
            written = app.context.data.write(container, blob, content)
    except RelearnError as exc:
        advice = "start `make run` first, which serves the storage and makes the container"
        raise CommandError(f"it was not uploaded: {exc}. To do: {advice}") from None
    output.line(f"uploaded {counted(len(content), 'byte')} to {container}/{blob}")
    reasons = [_silent(app, one) for one in pipelines]
    for line in filter(None, reasons):
        output.line(line)
    waits = known is not None and not (reasons and all(reasons))
    runs = _shown(output, url, f"{container}/{blob}", pipelines, known or {}) if waits else []
    if known is None:
        output.line(f"no app answers at {url}: `make run` finds the data when it starts")
    if output.as_json:
        what = {"result": "ok", "container": container, "name": blob, "etag": written.etag}
        ids = [str(one.get("run_id")) for one in runs]
        more = {"pipelines": pipelines, "app": known is not None, "runs": ids}
        output.json({**what, "size": len(content), **more})
    return 0


def _silent(app: App, name: str) -> str:
    """Return what the data of a pipeline waits for whose new data opens no run; else nothing."""
    pipeline = app.pipelines.in_use()[name]
    if pipeline.data is None or pipeline.data.opens_runs:
        return ""
    said = f"it is data of {name}, of which new data opens no run (`opens_runs: false`)"
    if pipeline.schedule is None:
        return f"{said}: operators do"
    waits = what_it_waits_for(pipeline.schedule, datetime.now(UTC))
    return f"{said}; its schedule waits for {waits}"


def _shown(
    output: Output, url: str, path: str, pipelines: list[str], known: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Wait for the runs that open for a blob, and print them."""
    if not pipelines:
        output.line("no pipeline takes it: no run opens")
        return []
    output.line(f"it is data of {', '.join(pipelines)}")
    with output.working("waiting for the run that it opens"):
        runs = _opened(url, path, known)
    for one in runs:
        output.line(f"run {one.get('run_id')}: {one.get('line')}")
        output.line(f"watch it: {url}/api/runs/{one.get('run_id')}")
    if not runs:
        text = "no run yet: it waits for its batch window (`settle`), or opens none"
        output.line(f"{text}; see {url}/api/pipelines and the log of the app")
    return runs


def _is_name(name: str) -> bool:
    """Whether a blob can have this name, in each of its folders too."""
    parts = name.split("/")
    return len(name) <= _LONGEST_NAME and not {"", ".", ".."} & {*parts}


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST:
            raise CommandError(f"{file} is larger than 256 MiB: use a tool such as azcopy")
        return file.read_bytes()
    except OSError as exc:
        raise CommandError(f"{file} cannot be read ({exc.strerror})") from None


def _local_app(settings: Path) -> App:
    environment = settings_in(settings, required=True)
    built = of_settings(environment, datetime.now(UTC), folder_of(settings))
    if isinstance(built, Unusable):
        first = built.problems[0]
        raise CommandError(f"a setting is wrong: {first}. `relearn doctor` lists them all")
    built.begin()
    host = urlsplit(built.context.data.account_url).hostname
    if host not in _LOOPBACK:
        raise CommandError(
            f"the training data is in the account {built.context.data.account}, not on this "
            "machine: upload there with `az storage blob upload --auth-mode login`"
        )
    return built


def _name(app: App, file: Path, name: str | None) -> tuple[str, list[str]]:
    """Return the name of the blob, and the pipelines that take it."""
    pipelines = app.pipelines.in_use()
    if name is not None:
        return name, _taking(pipelines, name)
    found = {}
    for folder in dict.fromkeys(["", *(_folder(one) for one in pipelines.values())]):
        if taking := _taking(pipelines, f"{folder}{file.name}"):
            found[f"{folder}{file.name}"] = taking
    if len(found) == 1:
        return next(iter(found.items()))
    patterns = sorted({one.data.blob for one in pipelines.values() if one.data})
    if not pipelines:
        return file.name, []
    if found:
        raise CommandError(
            f"{file.name} fits several names: write --name with one of {list(found)}"
        )
    listed = ", ".join(patterns) or "none: no pipeline has data"
    raise CommandError(
        f"no pipeline takes a blob of the name {file.name}: write --name NAME that fits a pattern "
        f"of pipelines.yaml ({listed})"
    )


def _folder(pipeline: Pipeline) -> str:
    """Return the folder that a pattern begins with, before its first token."""
    fixed = pipeline.data.blob.partition("{")[0] if pipeline.data else ""
    folder, slash, _ = fixed.rpartition("/")
    return f"{folder}{slash}"


def _taking(pipelines: Mapping[str, Pipeline], name: str) -> list[str]:
    return [one for one, pipeline in pipelines.items() if reads(pipeline, name)]


def _runs(url: str) -> dict[str, dict[str, Any]] | None:
    """Return the newest runs by their id; None where no app answers."""
    try:
        found = RemoteApp(url).ask("GET", "runs?limit=50", 10.0).get("runs", [])
    except CommandError as exc:
        if exc.code != 1:
            raise
        return None
    return {str(one.get("run_id")): one for one in found if isinstance(one, dict)}


def _opened(url: str, path: str, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs that open for a blob, once there is one."""
    end = time.monotonic() + _RUN_WITHIN
    while time.monotonic() < end:
        now = _runs(url) or {}
        new = [one for name, one in now.items() if name not in known]
        if mine := [one for one in new if one.get("data") == path]:
            return mine
        time.sleep(_ASK_EVERY)
    return []
