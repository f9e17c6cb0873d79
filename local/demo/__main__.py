"""The command line of the demo: `python -m local.demo --help`, or `make demo`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from local.azurite import AzuriteError
from local.demo.azureml_stage import AzureMlStage
from local.demo.play import DemoFailedError, Play
from local.demo.plays import AzureMlPlay, StudioPlay
from local.demo.stage import Stage
from local.served import NotStartedError

_DESCRIPTION: Final = """\
New training data arrives, a better model is served. Starts a storage server, a stand-in of the
ML service that really trains, and the app in its host, all on this machine; uploads the breast
cancer table that ships with scikit-learn in two parts, and shows each run go its way.

Exit codes: 0 the endpoint really answers with the new models (with --azureml: the good models are
registered, and a useless one was rejected), each data version started exactly one job, and no
secret is in a record or a log; 1 otherwise, with the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.demo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--azureml",
        action="store_true",
        help="with a workspace of Azure Machine Learning v2: its jobs run the commands of "
        "examples/azureml, their outputs are written to the storage server, and models are "
        "registered. Without it: with Studio (classic) and an endpoint",
    )
    options = parser.parse_args(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _play(console, azureml=options.azureml)
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return 130
    except (DemoFailedError, NotStartedError, AzuriteError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}")
        return 1
    return 0


def _play(console: Console, *, azureml: bool) -> None:
    play: Play[AzureMlStage] | Play[Stage]
    what = "a workspace of Azure ML" if azureml else "the ML service"
    stage = AzureMlStage() if azureml else Stage()
    with console.status(f"Starting Azurite, the stand-in of {what}, and the host …"):
        stage.__enter__()
    try:
        play = (
            AzureMlPlay(console, stage)
            if isinstance(stage, AzureMlStage)
            else StudioPlay(console, stage)
        )
        play.perform()
    finally:
        stage.__exit__(None, None, None)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
