"""`relearn import-adf`: makes a pipelines file, settings and a report of a Data Factory."""

import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cli.definition_files import read_definitions
from cli.import_report import show
from cli.output import CommandError, Output
from cli.whole_files import refuse_existing, write_whole
from shared.config.loader import load_pipelines
from shared.importers.data_factory.account import Account, Element, ImportOutcome, Line
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import Imported, import_definitions
from shared.importers.data_factory.reading.arm import given_values
from shared.importers.data_factory.reading.tolerant_json import BrokenDefinitionError, parsed
from shared.importers.data_factory.report import as_json, sorted_lines
from shared.importers.data_factory.report_markdown import markdown

DEFAULT_FOLDER: Final = Path("imported")
_PIPELINES: Final = "pipelines.yaml"
_SETTINGS: Final = "local.settings.json"
_MARKDOWN: Final = "import-report.md"
_JSON: Final = "import-report.json"
_FILES: Final = [_PIPELINES, _SETTINGS, _MARKDOWN, _JSON]
_USAGE: Final = 2
#: What the app needs besides, on a machine for development.
_LOCAL: Final = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    "BLOB_SOURCE": "LogsAndContainerScan",
    "POLL_SCHEDULE": "*/30 * * * * *",
    "SCHEDULE_TICK": "0 * * * * *",
}
_CONTAINERS: Final = {"MODELS_CONTAINER": "models", "LEDGER_CONTAINER": "ledger"}


def run(
    output: Output,
    paths: Sequence[Path],
    folder: Path,
    parameters: Path | None,
    *,
    backfill: bool,
    force: bool,
    everything: bool,
) -> int:
    """Import definitions, and return 0 where there is a pipeline now.

    Args:
        output: where the report is printed.
        paths: files and folders of definitions.
        folder: where the result is written.
        parameters: values for the parameters of a template.
        backfill: whether windows of the past are trained too.
        force: whether files are written over.
        everything: whether all lines of the report are printed.

    Raises:
        CommandError: a path is wrong, or files would be written over.
    """
    values, content = _parameters(parameters) if parameters else ({}, b"")
    options = ImportOptions(backfill=backfill, parameters=values)
    if not force:
        refuse_existing(folder, _FILES)
    with output.working("reading the definitions"):
        read = read_definitions(paths, folder)
        if parameters and content not in read.content.values():
            read.content[_apart(parameters, read.content)] = content  # the report has its lines too
        imported = import_definitions(read.content, options, datetime.now(UTC), _refused)
    unread = (_unread(name, why) for name, why in read.unread.items())
    report = replace(imported.report, lines=sorted_lines([*imported.report.lines, *unread]))
    written = _write(folder, replace(imported, report=report)) if report.pipelines else []
    if output.as_json:
        output.json({**as_json(report), "written": written})
    else:
        show(output, report, folder, written, everything=everything)
    return 0 if report.pipelines else 1


def _parameters(file: Path) -> tuple[dict[str, Any], bytes]:
    """Return the values of a file of parameters, by their names, and its content.

    Raises:
        CommandError: it cannot be used.
    """
    try:
        content = file.read_bytes()
        found = parsed(content, str(file))
    except (OSError, BrokenDefinitionError) as exc:
        why = str(exc) if isinstance(exc, BrokenDefinitionError) else type(exc).__name__
        raise CommandError(f"{file} cannot be read ({why}): correct --parameters", _USAGE) from None
    values = given_values(Element(found, file.name, (), Account()))
    if not values:
        form = 'it must be JSON like {"parameters": {"name": {"value": "…"}}}'
        raise CommandError(f"{file} holds no parameters: {form}", _USAGE)
    return values, content


def _apart(file: Path, names: Collection[str]) -> str:
    """Return the name of a file of parameters among others.

    Args:
        file: it.
        names: those of the others.
    """
    return file.name if file.name not in names else f"{file.resolve().parent.name}/{file.name}"


def _refused(text: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return what `relearn validate` would refuse: pipeline -> the reason; empty: the file."""
    given = {name: f"stands-in-for-setting-{at}" for at, name in enumerate(settings)}
    with tempfile.TemporaryDirectory(prefix="relearn-") as folder:
        file = Path(folder, _PIPELINES)
        try:
            file.write_text(text, encoding="utf-8", newline="\n")
        except UnicodeEncodeError:
            return {"": "a text holds half a character"}
        found = load_pipelines(file, given, development=True)
    reasons = {
        name: "; ".join(f"{one.what}: {one.advice}" if one.advice else one.what for one in problems)
        for name, problems in found.broken.items()
    }
    if found.problems and not reasons:
        return {"": "; ".join(one.what for one in found.problems)}
    return reasons


def _unread(name: str, why: str) -> Line:
    to_do = "correct this, and import again"
    return Line(name, (), "file", name, ImportOutcome.NOT_CARRIED_OVER, why, to_do)


def _containers(taken: str) -> dict[str, str]:
    """Return the other containers of the app: each needs a name of its own."""
    return {
        setting: f"relearn-{name}" if name == taken else name
        for setting, name in _CONTAINERS.items()
    }


def _write(folder: Path, imported: Imported) -> list[str]:
    report = imported.report
    values = {**_LOCAL, **_containers(report.container), **imported.settings}
    settings = {"IsEncrypted": False, "Values": values}
    texts = {
        _PIPELINES: imported.pipelines_yaml,
        _SETTINGS: json.dumps(settings, indent=2, ensure_ascii=False) + "\n",
        _MARKDOWN: markdown(report),
        _JSON: json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n",
    }
    write_whole(folder, texts)
    return [str(folder / name) for name in texts]
