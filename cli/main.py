"""The command line `relearn`: its commands, their help, and what an error looks like.

Exit codes: 0 all is well, 1 something is wrong, 2 the command was not used correctly.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli import doctor as doctor_command
from cli import import_adf as import_command
from cli import upload as upload_command
from cli import validate as validate_command
from cli.output import CommandError, Output
from cli.settings import DEFAULT_SETTINGS
from shared.telemetry import redacted
from shared.version import VERSION

_DEBUG: Final = "--debug"
_INTERRUPTED: Final = 130
_HELP: Final = """\
Retrains machine-learning models when new data arrives, and updates the endpoints that serve them.

\b
First steps, in a folder with local.settings.json and pipelines.yaml:
  relearn validate pipelines.yaml    every mistake in the file, with its line
  relearn doctor                     what does not work yet, and what to do
  relearn upload new.csv             data for the app that `make run` serves

\b
From Azure Data Factory:
  relearn import-adf factory/        a pipelines file of its definitions, and what differs

\b
An app in Azure:
  export RELEARN_FUNCTION_KEY=...    or enter it when you are asked for it
  relearn doctor --url https://<app>.azurewebsites.net

\b
Exit codes: 0 all is well, 1 something is wrong, 2 the command was not used correctly.
`relearn COMMAND --help` has examples of each command.
"""
_DOCTOR: Final = """\
Try everything that the app needs, and say of each thing whether it works.

Each line is ok, wrong with what to do, or not checked with the reason: settings, identity, clock,
rights at each container, queues, training services, endpoints, timers. Nothing that matters is
changed, and nothing is left behind. It takes seconds; three minutes at most.

\b
With the settings of this folder:
  relearn doctor
  relearn doctor --settings ../other/local.settings.json
An app in Azure, as its own identity sees it (the key is never an argument):
  relearn doctor --url https://<app>.azurewebsites.net
For a program:
  relearn doctor --json | jq '.lines[] | select(.result == "wrong")'
"""
_VALIDATE: Final = """\
Check a pipelines file, and the files that it names, without an app or a service.

Every problem has its line and what to write instead. ${NAME} stands for an app setting: those are
read from the environment and from the settings file, where there is one.

\b
  relearn validate pipelines.yaml
  relearn validate pipelines.yaml --settings production.settings.json
  relearn validate pipelines.yaml --json | jq .problems
"""
_UPLOAD: Final = """\
Upload a file to the training data container of the local storage, as new data.

The name of the blob is that of the file, below the folder that a pipeline's pattern begins with;
--name gives another one. If the app runs (`make run`), the run that it opens is shown.

\b
  relearn upload new.csv
  relearn upload new.csv --name customers/4711/2026-11-27.csv
"""

_IMPORT: Final = """\
Make a pipelines file of the definitions of an Azure Data Factory, with a report.

It reads both versions of Data Factory, and takes what trains and updates web services of Studio
(classic). PATH is the folder of a factory's git repository (pipeline/, dataset/, linkedService/,
trigger/), another folder, a file, or an exported template of Resource Manager. Give all files
at once: they name each other.

It writes four files into a folder: pipelines.yaml, local.settings.json, import-report.md and
import-report.json. The report has a line for each activity, dataset, policy and trigger: mapped,
approximated (what differs, and why) or not carried over (why, and what to do). The terminal
shows the lines that ask you to do something; --all shows all of them.

No secret is copied: each becomes an app setting, and the report says where it stood. Files that
exist are written over with --force alone.

\b
  relearn import-adf factory/
  relearn import-adf pipeline.json datasets/ linked-services/ --output imported
  relearn import-adf ARMTemplateForFactory.json --parameters ARMTemplateParametersForFactory.json
  relearn import-adf factory/ --json | jq '.lines[] | select(.outcome == "not carried over")'
Then:
  relearn validate imported/pipelines.yaml
"""

app: Final = typer.Typer(
    help=_HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_Settings = Annotated[
    Path, typer.Option("--settings", help="App settings, in the form of local.settings.json.")
]
_Json = Annotated[bool, typer.Option("--json", help="Write JSON, in a form that stays the same.")]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 -- as typer calls it
    if wanted:
        typer.echo(f"relearn {VERSION}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: FBT002 -- an option of the command line
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[  # noqa: FBT002
        bool, typer.Option(_DEBUG, help="Show the log, and where an unexpected error came from.")
    ] = False,
) -> None:
    del version, debug


@app.command(help=_DOCTOR, short_help="Say what does not work, and what to do.")
def doctor(
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            help="An app that runs, such as https://<app>.azurewebsites.net. Its function key is "
            "read from RELEARN_FUNCTION_KEY, or asked for.",
        ),
    ] = None,
    settings: _Settings = DEFAULT_SETTINGS,
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Try everything that the app needs."""
    output = Output(as_json=as_json)
    raise typer.Exit(doctor_command.run(output, url, settings))


@app.command(help=_VALIDATE, short_help="Check a pipelines file.")
def validate(
    file: Annotated[Path, typer.Argument(help="Such as pipelines.yaml.")],
    settings: _Settings = DEFAULT_SETTINGS,
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Check a pipelines file."""
    raise typer.Exit(validate_command.run(Output(as_json=as_json), file, settings))


@app.command(help=_UPLOAD, short_help="Upload a file to the local storage, as new data.")
def upload(
    file: Annotated[Path, typer.Argument(help="The file.", dir_okay=False)],
    name: Annotated[
        str | None, typer.Option("--name", help="The name of the blob in the container.")
    ] = None,
    url: Annotated[str, typer.Option("--url", help="Where `make run` serves the app.")] = (
        upload_command.LOCAL_APP
    ),
    settings: _Settings = DEFAULT_SETTINGS,
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Upload a file as new data."""
    output = Output(as_json=as_json)
    raise typer.Exit(upload_command.run(output, file, name, url, settings))


@app.command(name="import-adf", help=_IMPORT, short_help="Import from Azure Data Factory.")
def import_adf(
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.")],
    folder: Annotated[
        Path, typer.Option("--output", help="The folder that the result is written to.")
    ] = import_command.DEFAULT_FOLDER,
    parameters: Annotated[
        Path | None,
        typer.Option("--parameters", help="Values for the parameters of a template, as JSON."),
    ] = None,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="Train the windows that have passed, too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Print all lines, also those that ask for nothing."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Import from Azure Data Factory."""
    code = import_command.run(
        Output(as_json=as_json),
        paths,
        folder,
        parameters,
        backfill=backfill,
        force=force,
        everything=everything,
    )
    raise typer.Exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; no traceback is shown without `--debug`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = _DEBUG in given
    if debug:
        logging.basicConfig(level=logging.INFO)
        given = [one for one in given if one != _DEBUG]
    else:
        logging.getLogger().addHandler(logging.NullHandler())  # warnings are for the app's log
    say = _say_json if "--json" in given else _say
    code = _exit_code(lambda: app(args=given, prog_name="relearn"), say, debug=debug)
    if code == _INTERRUPTED and arguments is None:
        sys.stdout.flush()
        os._exit(code)  # threads that wait for a service would keep the process for a minute
    return code


def _exit_code(run: Callable[[], Any], say: Callable[[str], None], *, debug: bool) -> int:
    try:
        run()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    except CommandError as exc:
        say(str(exc))
        return exc.code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # such as `relearn | head`
        return 1
    except Exception as exc:  # noqa: BLE001 -- no traceback is shown unasked
        if debug:
            print(redacted("".join(traceback.format_exception(exc))), file=sys.stderr)  # noqa: T201
            return 1
        kind = type(exc).__name__
        say(f"unexpected error ({kind}). To do: run it again with {_DEBUG}, and report it")
        return 1
    return 0


def _say_json(text: str) -> None:
    """Say it to programs too: their input is JSON also where a command could not be carried out."""
    print(json.dumps({"result": "error", "text": redacted(text)}, indent=2))  # noqa: T201
    _say(text)


def _say(text: str) -> None:
    print(f"relearn: {redacted(text)}", file=sys.stderr)  # noqa: T201 -- the command line talks
