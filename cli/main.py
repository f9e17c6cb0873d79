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

from cli import backtest as backtest_command
from cli import doctor as doctor_command
from cli import import_adf as import_command
from cli import texts
from cli import upload as upload_command
from cli import validate as validate_command
from cli.output import CommandError, Output
from cli.settings import DEFAULT_SETTINGS
from shared.telemetry import redacted
from shared.version import VERSION

_DEBUG: Final = "--debug"
_INTERRUPTED: Final = 130
app: Final = typer.Typer(
    help=texts.HELP,
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
        bool, typer.Option(_DEBUG, help="Show the log, and the traceback of an unexpected error.")
    ] = False,
) -> None:
    del version, debug


@app.command(help=texts.DOCTOR, short_help="Print what does not work, and how to correct it.")
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


@app.command(help=texts.VALIDATE, short_help="Check a pipelines file.")
def validate(
    file: Annotated[Path, typer.Argument(help="The pipelines file.")],
    settings: _Settings = DEFAULT_SETTINGS,
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Check a pipelines file."""
    raise typer.Exit(validate_command.run(Output(as_json=as_json), file, settings))


@app.command(help=texts.UPLOAD, short_help="Upload a file to the local storage, as new data.")
def upload(
    file: Annotated[Path, typer.Argument(help="The file to upload.", dir_okay=False)],
    name: Annotated[
        str | None, typer.Option("--name", help="The name of the blob in the container.")
    ] = None,
    url: Annotated[
        str, typer.Option("--url", help="The URL at which `make run` serves the app.")
    ] = (upload_command.LOCAL_APP),
    settings: _Settings = DEFAULT_SETTINGS,
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Upload a file as new data."""
    output = Output(as_json=as_json)
    raise typer.Exit(upload_command.run(output, file, name, url, settings))


@app.command(help=texts.BACKTEST, short_help="Replay a gate over recorded runs.")
def backtest(
    *,
    file: Annotated[Path, typer.Argument(help="The file with the gate.", dir_okay=False)],
    pipeline: Annotated[
        str | None,
        typer.Option("--pipeline", help="The pipeline of the runs. Default: the only one of FILE."),
    ] = None,
    url: Annotated[
        str, typer.Option("--url", help="The URL of the app; by default that of `make run`.")
    ] = upload_command.LOCAL_APP,
    last: Annotated[
        int,
        typer.Option("--last", min=1, max=10_000, help="How many runs at most, the newest first."),
    ] = 50,
    from_files: Annotated[
        bool,
        typer.Option("--from-files", help="Read files also if the record of a run has enough."),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Print runs that would have ended the same, too.")
    ] = False,
    settings: _Settings = DEFAULT_SETTINGS,
    as_json: _Json = False,
) -> None:
    """Replay a gate over recorded runs."""
    wanted = backtest_command.Wanted(pipeline, last, from_files, everything)
    code = backtest_command.run(Output(as_json=as_json), file, url, settings, wanted)
    raise typer.Exit(code)


@app.command(name="import-adf", help=texts.IMPORT, short_help="Import from Azure Data Factory.")
def import_adf(
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.")],
    folder: Annotated[
        Path, typer.Option("--output", help="The folder for the result.")
    ] = import_command.DEFAULT_FOLDER,
    parameters: Annotated[
        Path | None,
        typer.Option("--parameters", help="Values for the parameters of a template, as JSON."),
    ] = None,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="Train the windows that have passed, too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Print all lines, also those that need no action."),
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
