"""Imports definitions of Azure Data Factory: files in, a pipelines file, settings and a report out.

It reads no file and writes none, and asks no service.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import Recurrence, Schedule, delay_of, dues_between
from shared.core.config.schedule_words import what_it_waits_for, window_lines, words_of
from shared.core.config.setting_references import references_in
from shared.core.redaction import Redactor
from shared.importers.data_factory import linked_services
from shared.importers.data_factory.account import Account, Element, ImportOutcome, Line, Place
from shared.importers.data_factory.clear_text_secrets import without_secrets
from shared.importers.data_factory.drafts import ImportContext, ImportOptions
from shared.importers.data_factory.entries import Entries, Entry, entries
from shared.importers.data_factory.missing import report_missing
from shared.importers.data_factory.other_activities import report_parts
from shared.importers.data_factory.reading.finder import found
from shared.importers.data_factory.refusals import report_refused
from shared.importers.data_factory.repetition import without_repetition
from shared.importers.data_factory.report import (
    MOST_PAST,
    PipelineOfReport,
    Report,
    ScheduleOfReport,
    Setting,
    sorted_lines,
)
from shared.importers.data_factory.secrets import Secrets, in_clear_text, warn_of_the_rest
from shared.importers.data_factory.version_1.activities import drafts as drafts_of_1
from shared.importers.data_factory.version_2.activities import drafts as drafts_of_2
from shared.importers.data_factory.yaml_text import yaml_text

#: The setting that names the container of the data.
CONTAINER: Final = "TRAINING_DATA_CONTAINER"
_WINDOWS: Final = 10
#: A secret that is no more than such a word stays in texts that have it anyway.
_WORD: Final = re.compile(r"\b[A-Za-z]{4,12}\b")
_OF_REPORTS: Final = frozenset(
    {"activity", "dataset", "pipeline", "policy", "trigger", "parameter", "password", "secret"}
)
_IN_PARTS: Final = "import fewer pipelines at once, or correct the definition"
_SEE_WHY: Final = "nothing here: the line of its training says what to correct"
_CONTAINER_NAME: Final = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")

#: Text of a pipelines file, its settings -> why the app refuses pipelines, by their names. An empty
#: name stands for the whole file.
Check = Callable[[str, Mapping[str, str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import makes."""

    pipelines_yaml: str  #: empty where there is no pipeline
    settings: dict[str, str]  #: app setting -> its value, or `<…>` that says what belongs there
    report: Report


def accepts_all(text: str, settings: Mapping[str, str]) -> Mapping[str, str]:
    """Return that the app refuses nothing.

    Args:
        text: of the pipelines file.
        settings: that it names.
    """
    del text, settings
    return {}


def import_definitions(
    files: Mapping[str, bytes],
    options: ImportOptions,
    now: datetime,
    check: Check = accepts_all,
) -> Imported:
    """Return the pipelines of definitions, the settings that they need, and the report.

    Args:
        files: the content of each file, by its name.
        options: what was asked for.
        now: the present moment.
        check: says what the app refuses of the file; that is left out and reported.
    """
    account, secrets = Account(), Secrets()
    context = ImportContext(account, secrets, options, now)
    definitions = found(files, options.parameters, account)
    linked_services.report(definitions, secrets)
    roots = definitions.roots.values()
    in_clear = {text for root in roots for _, text in in_clear_text(root)}
    read = [*drafts_of_1(definitions, context), *drafts_of_2(definitions, context)]
    drafts = without_secrets(read, in_clear, secrets)
    linked_services.report(definitions, secrets, last=True)  # and those that are named meanwhile
    made = _accepted(entries(drafts, context), secrets, check)
    _withdraw(account, {*context.names, *(draft.name for draft in read)}, made)
    _leave_keys_of_triggers(account)
    text = yaml_text(made) if made.pipelines else ""
    settings = _settings(text, made, secrets)
    named = {place: name for name in settings for place in secrets.places.get(name, ())}
    linked_services.report_uses(definitions, _uses(made), named)
    linked_services.report_vault_uses(
        definitions, {vault for name, vault in secrets.from_vaults.items() if name in settings}
    )
    linked_services.report_storage_uses(definitions, made.accounts)
    _set_aside_unused(account, secrets, named)
    for line in definitions.problems:
        if line.kind in ("pipeline", "dataset"):
            root = definitions.roots[line.file]
            report_parts(Element(root, line.file, (), account), line)
    report_missing(definitions)
    definitions.close(account, secrets.all_places)
    for file, content in definitions.roots.items():
        warn_of_the_rest(account, file, content)
    hidden = Redactor(*in_clear, public=_OF_REPORTS.union(_WORD.findall(text)))
    shortened = (
        replace(line, text=without_repetition(line.text, made.pipelines))
        for line in account.lines.values()
    )
    lines = sorted_lines(_without_secrets(line, hidden) for line in shortened)
    report = Report(
        lines,
        tuple(_pipeline(entry) for entry in made.pipelines.values()),
        tuple(_schedules(made, options, now)),
        tuple(_setting(*one, secrets, account) for one in settings.items() if _is_asked_for(*one)),
        settings[CONTAINER] if not _is_asked_for(CONTAINER, settings[CONTAINER]) else "",
        made.account,
        now,
    )
    return Imported(text, settings if made.pipelines else {}, report)


def _accepted(made: Entries, secrets: Secrets, check: Check) -> Entries:
    """Return the entries that the app takes, and report the others."""
    while made.pipelines:
        text = yaml_text(made)
        refused = check(text, _settings(text, made, secrets))
        if not refused:
            break
        whole = refused.get("")
        for name, entry in made.pipelines.items():
            if (reason := whole or refused.get(name)) is not None:
                asked = (_IN_PARTS,) if whole else ()
                for _, source in entry.sources:
                    report_refused(source, name, reason, *asked)
        left = {
            name: entry
            for name, entry in made.pipelines.items()
            if whole is None and name not in refused
        }
        if len(left) == len(made.pipelines):
            break
        made = replace(made, pipelines=left)
    return made


def _withdraw(account: Account, names: set[str], made: Entries) -> None:
    """Correct the lines that name a place of a pipeline which is not in the file."""
    missing = names - made.pipelines.keys()
    if not missing:
        return
    gone, there = (_places(names) for names in (missing, made.pipelines))
    for place, line in list(account.lines.items()):
        left = dict.fromkeys(gone.findall(line.text))
        if line.outcome is ImportOutcome.NOT_CARRIED_OVER or not left:
            continue
        outcome = ImportOutcome.NOT_CARRIED_OVER
        text = f"not in the file, since its pipeline is not; it would be: {line.text}"
        if there.search(line.text):
            outcome, text = (
                ImportOutcome.APPROXIMATED,
                f"{line.text}; {', '.join(left)}: not in the file",
            )
        to_do = line.to_do or _SEE_WHY
        account.lines[place] = replace(line, outcome=outcome, text=text, to_do=to_do)


def _leave_keys_of_triggers(account: Account) -> None:
    """Correct the lines of keys whose trigger is not carried over: their values are nowhere."""
    gone = {
        place
        for place, line in account.lines.items()
        if line.kind == "trigger" and line.outcome is ImportOutcome.NOT_CARRIED_OVER
    }
    for place, line in list(account.lines.items()):
        above = (Place(place.file, place.path[:length]) for length in range(len(place.path)))
        carried = line.outcome is not ImportOutcome.NOT_CARRIED_OVER
        secret = "clear text" in line.to_do
        if carried and not secret and not gone.isdisjoint(above):
            account.lines[place] = replace(
                line,
                outcome=ImportOutcome.NOT_CARRIED_OVER,
                text="its trigger is not carried over",
                to_do="nothing to do for this key",
            )


def _uses(made: Entries) -> dict[Place, list[str]]:
    """Return where in the file each linked service is, by its place in the definitions."""
    found: dict[Place, list[str]] = {}
    for entry in made.pipelines.values():
        trains = entry.draft.job.service
        uses = [(trains, "training.service", trains.lacks_url)]
        for update, target in zip(entry.updates, entry.tree.get("endpoints", ()), strict=True):
            where = f"endpoints: {target['name']}: update"
            uses.append((update.service, where, update.service.lacks_update))
        for service, where, is_example in uses:
            if service.source:
                said = f"{entry.name}: {where}{linked_services.EXAMPLE if is_example else ''}"
                found.setdefault(service.source.place, []).append(said)
    return found


def _places(names: Iterable[str]) -> re.Pattern[str]:
    """Return what finds a place of one of these pipelines, such as `churn: training.attempts`."""
    any_name = "|".join(map(re.escape, names)) or "(?!)"
    listed = r"(?:, [^;]*)? in pipelines\.yaml"
    return re.compile(rf"(?:^|[; ])({any_name})(?::|{listed}| has no |$)")


def _settings(text: str, made: Entries, secrets: Secrets) -> dict[str, str]:
    """Return the value of each setting that the file needs, or what belongs there."""
    names = dict.fromkeys(references_in(text))
    settings = {name: secrets.wanted.get(name, f"<the value of {name}>") for name in names}
    container = made.container
    if not _CONTAINER_NAME.fullmatch(container):
        said = re.sub(r"[<>]", "", container)
        container = "<the container of the training data"
        container += f"; the definitions say {said}>" if said else ">"
    return {CONTAINER: container, **settings}


def _set_aside_unused(account: Account, secrets: Secrets, named: Collection[Place]) -> None:
    """Correct the lines of secrets that no pipeline of the file uses.

    Args:
        account: with their lines.
        secrets: their app settings.
        named: the places of those that the file names.
    """
    for place in secrets.all_places.difference(named):
        line = account.lines.get(place)
        if line is not None:
            clear = "clear text" in line.text
            account.lines[place] = replace(
                line,
                outcome=ImportOutcome.NOT_CARRIED_OVER,
                text="not copied, and not needed: no pipeline of the file uses it",
                to_do="rotate it: it stands here in clear text" if clear else "nothing to do",
            )


def _is_asked_for(setting: str, value: str) -> bool:
    """Whether the reader has to give a setting its value: the container may be known."""
    return setting != CONTAINER or value.startswith("<")


def _setting(name: str, text: str, secrets: Secrets, account: Account) -> Setting:
    found = (account.covered_by(*place) for place in secrets.places.get(name, ()))
    lines = {one.place: one for one in found if one is not None}
    clear = any("clear text" in one.text for one in lines.values())
    return Setting(name, text.strip("<>"), tuple(lines), clear)


def _without_secrets(line: Line, hidden: Redactor) -> Line:
    return replace(
        line,
        name=hidden.text(line.name),
        text=hidden.text(line.text),
        to_do=hidden.text(line.to_do),
        block=hidden.text(line.block),
    )


def _pipeline(entry: Entry) -> PipelineOfReport:
    made_from = tuple((name, source.place) for name, source in entry.sources)
    endpoints = tuple(str(one["name"]) for one in entry.tree.get("endpoints", ()))
    return PipelineOfReport(entry.name, made_from, endpoints)


def _schedules(made: Entries, options: ImportOptions, now: datetime) -> Iterator[ScheduleOfReport]:
    for name, entry in made.pipelines.items():
        pipeline = Pipeline.model_validate({**entry.tree, "name": name}, context={})
        schedule = pipeline.schedule
        if schedule is not None:
            yield ScheduleOfReport(
                name,
                words_of(schedule),
                what_it_waits_for(schedule, now),
                tuple(window_lines(schedule, now, _WINDOWS)),
                _past(schedule, now),
                options.backfill,
            )


def _past(schedule: Schedule, now: datetime) -> int:
    """Return how many windows of the active period have passed, up to a bound."""
    if not isinstance(schedule, Recurrence) or schedule.start is None:
        return 0
    until = now - delay_of(schedule)
    return len(dues_between(schedule, datetime.min.replace(tzinfo=UTC), until, MOST_PAST))
