"""The command line of the demo: `python -m local.demo --help`, or `make demo`."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from local.azurite import AzuriteError
from local.demo.play import DemoFailedError, Play
from local.demo.plays import AzureMlPlay, StudioPlay
from local.demo.serving_stage import ServingStage
from local.demo.stage import Stage
from local.inference.servers import install
from local.served import NotStartedError, StopSignal
from local.virtual_environment import InstallError

_DESCRIPTION: Final = """\
New training data arrives, and a better model is served. Starts a storage server, a stand-in for an
Azure Machine Learning workspace that really trains and serves, and the app in its host, all on
this machine. Then it uploads the breast cancer table of scikit-learn in parts, and shows the phases
of each run, and which deployment answers the requests of a client. The third model fails at 10 %
of the requests and is rolled back.

Exit codes: 0 the endpoint answers with the expected models, each data version started
exactly one job, and no secret is in a record, a log or an answer; 1 otherwise, with the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.demo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--classic",
        action="store_true",
        help="with Studio (classic) and one of its endpoints, as Microsoft documented it",
    )
    options = parser.parse_args(arguments)
    console = Console()
    StopSignal().interrupts = True
    try:
        _play(console, classic=options.classic)
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return 130
    except (DemoFailedError, NotStartedError, AzuriteError, InstallError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}")
        return 1
    return 0


def _play(console: Console, *, classic: bool) -> None:
    play: Play[ServingStage] | Play[Stage]
    what = "Studio (classic)" if classic else "a workspace of Azure ML"
    stage = Stage() if classic else ServingStage()
    if not classic:
        _install_server(console)
    text = f"Starting Azurite, the stand-in of {what}, and the host …"
    if not console.is_terminal:  # where no status is shown
        console.print(text)
    with console.status(text):
        stage.__enter__()
    try:
        play = (
            AzureMlPlay(console, stage)
            if isinstance(stage, ServingStage)
            else StudioPlay(console, stage)
        )
        play.perform()
        console.print("Next: `make run` serves pipelines.yaml with a storage that lasts.")
    finally:
        stage.__exit__()


def _install_server(console: Console) -> None:
    """Install Microsoft's inference server where it is not; say so, also where no line moves."""
    text = "installing Microsoft's inference server into .venv-inference (a minute, once) …"
    with console.status("Microsoft's inference server …") as status:
        lines: list[str] = []

        def show(line: str) -> None:
            if not lines:
                console.print(text)
            lines.append(line)
            status.update(f"Microsoft's inference server: {line}")

        install(show)


if __name__ == "__main__":
    sys.exit(main())
