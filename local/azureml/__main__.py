"""The command line: `python -m local.azureml` serves the stand-in until it is stopped."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.core.exceptions import AzureError

from local.azureml.answers import WORKSPACE
from local.azureml.commands import CommandTrainer
from local.azureml.places import AccountFiles, Datastores, Files, MemoryFiles
from local.azureml.sample import publish_sample, snippet
from local.azureml.server import IDENTITY, AzureMlServer
from local.azureml.service import AzureMl
from local.azureml.switches import Switches, quick
from local.inference.servers import InferenceServers
from local.served import StopSignal, add_options, write_ready_file

_DESCRIPTION = """\
A stand-in for an Azure Machine Learning v2 workspace on 127.0.0.1: it takes jobs, really runs the
commands of their components, and writes outputs to a storage account. Deployments really serve:
each has a process of Microsoft's inference server, which is installed with the first of them.
Every program that can reach it can run commands with it."""

_EPILOG = f"""\
The workspace is URL{WORKSPACE}

Try it:
  python -m local.azureml --storage AzureWebJobsStorage --sample --show-keys
  curl URL/_azureml/state                       jobs with their steps, models, components
  curl URL/_azureml/requests                    the requests so far
  curl URL/_azureml/identity                    the identity endpoint, and its header
  curl URL/_azureml/faults -d '{{"kind": "PUT job", "fault": "gateway"}}'
                    throttled busy unavailable unsent lost late gateway gateway_done
                    gateway_undone over_capacity unauthorized forbidden cut html
  curl URL/_azureml/delays -d '{{"match": "PUT */jobs/*", "seconds": 20}}'
  curl URL/_azureml/switches -d '{{"explicit_uri_honoured": false, "roles_late": 60}}'
  curl URL/_azureml/jobs -d '{{"name": "j", "ends": "Failed", "message": "no such column"}}'
  curl URL/_azureml/sample -X POST              registers examples/azureml
  curl URL/_azureml/traffic -d '{{"endpoint": "e", "traffic": {{}}, "before": "PUT endpoint"}}'
                    another writer, at once or just before a call
  curl URL/_azureml/failures -d '{{"resource": "e/blue", "code": "OutOfQuota"}}'
  curl URL/_azureml/personality -d '{{"name": "answers and routes lag"}}'
  and POST to datastores, assets, computes, metrics, deployments, busy, undone, refusals, keys,
  models; a request with the header x-relearn-writer: other is not taken for one of the app"""


class _Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; gives the exit code: 2 when an option cannot be used."""
    options = _parser().parse_args(arguments)
    stop = StopSignal(until_eof=options.until_eof)
    try:
        files = _files(options)
        service = AzureMl(
            _Now(),
            _switches(options),
            files=files,
            trainer=CommandTrainer(),
            containers=None if options.made_up_scores else InferenceServers(),
        )
        folder = options.certificate
        secured = (folder / "loopback.pem", folder / "loopback.key") if folder else None
        server = AzureMlServer(service, port=options.port, secured_by=secured)
        with server:
            print(f"Azure ML v2 stand-in: {server.url}{WORKSPACE}", flush=True)
            if options.sample:
                _show_sample(server, options)
            write_ready_file(options.ready_file, url=server.url)
            stop.wait()
    except (OSError, ValueError, KeyError, AzureError) as error:
        reason = type(error).__name__ if isinstance(error, AzureError) else str(error)
        print(f"azureml: {reason}", file=sys.stderr)
        return 2
    return 0


def _show_sample(server: AzureMlServer, options: argparse.Namespace) -> None:
    """Register the sample, with datastores for the app's containers, and say how to use it."""
    with server.lock:
        publish_sample(server.service)
        for container in (options.data_container, options.models_container):
            server.service.hooks.add_datastore(container.replace("-", "_"), container)
    print(f"\n{snippet(server.url)}")
    print(f"IDENTITY_ENDPOINT={server.url}{IDENTITY}")
    if options.show_keys:
        print(f"IDENTITY_HEADER={server.identity_secret}", flush=True)
    else:
        print(
            "The header of the identity endpoint is not shown; --show-keys prints it.", flush=True
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.azureml",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_options(parser)
    add(
        "--storage",
        metavar="VARIABLE",
        help="environment variable with the connection string of the storage account; without it "
        "blobs are kept in memory",
    )
    add(
        "--certificate",
        type=Path,
        metavar="FOLDER",
        help="serve https by the loopback.pem and loopback.key in this folder, and trust them",
    )
    add("--sample", action="store_true", help="register examples/azureml, print a pipelines.yaml")
    add("--data-container", default="training-data", help="with --sample (training-data)")
    add("--models-container", default="models", help="with --sample (models)")
    add("--show-keys", action="store_true", help="with --sample: print the identity's header")
    add(
        "--made-up-scores",
        action="store_true",
        help="deployments run nothing: each row gets a number that depends on model and row",
    )
    add("--real-times", action="store_true", help="take minutes, as the service does")
    return parser


def _switches(options: argparse.Namespace) -> Switches:
    return Switches() if options.real_times else quick(timedelta(seconds=0.3))


def _files(options: argparse.Namespace) -> Files:
    if options.storage is None:
        return MemoryFiles()
    connection = os.environ.get(options.storage, "")
    if not connection:
        raise ValueError(f"the environment variable {options.storage} is not set")
    trusted = options.certificate / "loopback.pem" if options.certificate else None
    files = AccountFiles(connection, trusted)
    for store in Datastores(files).all.values():
        files.make_container(store.container)
    return files


if __name__ == "__main__":
    raise SystemExit(main())
