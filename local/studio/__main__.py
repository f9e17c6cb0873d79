"""The command line: `python -m local.studio` serves the stand-in until it is stopped."""

import argparse
import os
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient
from pydantic import TypeAdapter, ValidationError

from local.azurite import make_container
from local.served import StopSignal, add_options, write_ready_file
from local.studio.faults import FaultRule, FaultScript
from local.studio.sample import as_arff, publish_sample, sample_data
from local.studio.server import StudioServer
from local.studio.state import OWN_CONTAINER, Studio
from local.studio.storage import BlobRefusedError, HttpBlobs
from local.studio.training import LogisticTrainer

_DESCRIPTION = """\
A stand-in for Azure ML Studio (classic) on 127.0.0.1: it takes batch jobs, really trains on the
blobs they name, and serves scores from the model that its endpoints were last given."""

_EPILOG = """\
Try it:
  python -m local.studio --sample --show-keys     a training and a scoring service to try
  curl URL/_studio/state                          services, endpoints, jobs and their starts
  curl URL/_studio/requests                       the requests so far, without queries
  curl URL/_studio/faults -d '{"match": "POST */start", "kind": "drop_after"}'

  curl URL/_studio/services -d '{"kind": "webservice", "name": "new",
      "resource": "New [trained model]", "training_csv": "a,label\\n1,0\\n2,1",
      "uri": "https://…/first.ilearner"}'         a New (Resource Manager) web service
  curl URL/_studio/switches -d '{"ignores_updates": true}'    New services: also provision_delay,
                                                  fails_updates, upper_case, roles, names_operation

A fault has a match (a glob over "METHOD /path") and a kind: refuse, drop_before, drop_after,
truncated, delay (with seconds), 503 (with retry_after), 500, 401, garbage, plain_text, html;
times (default 1, null for always) and skip say how often and from when on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; gives the exit code: 2 when an option cannot be used."""
    options = _parser().parse_args(arguments)
    stop = StopSignal(until_eof=options.until_eof)
    blobs = HttpBlobs()
    try:
        server, studio = _build(options, blobs)
        with server:
            _introduce(options, server, studio)
            stop.wait()
    except (OSError, ValueError, AzureError, BlobRefusedError) as error:
        print(f"studio: {_reason(error)}", file=sys.stderr)
        return 2
    finally:
        blobs.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.studio",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_options(parser)
    add(
        "--switch-delay",
        type=_seconds,
        default=_seconds("30"),
        metavar="SECONDS",
        help="how long after an update scores still come from the old model (30)",
    )
    add(
        "--queue-delay",
        type=_seconds,
        default=_seconds("0.5"),
        metavar="SECONDS",
        help="how long a started job waits before it runs (0.5)",
    )
    add(
        "--queued-polls",
        type=int,
        default=1,
        help="how many polls of a started job get NotStarted (1)",
    )
    add("--numeric-status", action="store_true", help="send job states as numbers, not names")
    add("--no-resources", action="store_true", help="do not list the resources of endpoints")
    add(
        "--own-storage",
        metavar="VARIABLE",
        help="environment variable with the connection string of the service's own storage; "
        "without it every output of a job needs an override",
    )
    add("--faults", type=Path, metavar="FILE", help="faults to begin with: a JSON list of rules")
    add("--sample", action="store_true", help="publish two sample services, print a pipelines.yaml")
    add(
        "--sample-data",
        type=Path,
        metavar="FILE",
        help="write the sample's training data here: as ARFF if the name ends in .arff, or as CSV",
    )
    add("--show-keys", action="store_true", help="with --sample: also print its keys")
    return parser


def _seconds(text: str) -> timedelta:
    try:
        value = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        value = timedelta(-1)
    if value < timedelta():
        raise argparse.ArgumentTypeError("give a number of seconds that is not negative")
    return value


def _build(options: argparse.Namespace, blobs: HttpBlobs) -> tuple[StudioServer, Studio]:
    trainer = LogisticTrainer()
    studio = Studio(
        storage=blobs,
        trainer=trainer,
        clock=_now,
        new_id=lambda: uuid.uuid4().hex,
        switch_delay=options.switch_delay,
        queued_polls=options.queued_polls,
        numeric_status=options.numeric_status,
        send_resources=not options.no_resources,
        own_storage=_own_storage(options.own_storage),
    )
    server = StudioServer(
        studio,
        trainer=trainer,
        port=options.port,
        faults=FaultScript(_fault_rules(options.faults)),
        queue_delay=options.queue_delay,
        clock=_now,
    )
    return server, studio


def _own_storage(variable: str | None) -> str | None:
    """Read the connection string and make sure of the container that results go to."""
    if variable is None:
        return None
    connection = os.environ.get(variable, "")
    if not connection:
        raise ValueError(f"the environment variable {variable} is not set")
    client = BlobServiceClient.from_connection_string(connection, retry_total=1)
    with client:
        make_container(client.get_container_client(OWN_CONTAINER))
    return connection


def _fault_rules(file: Path | None) -> list[FaultRule]:
    return TypeAdapter(list[FaultRule]).validate_json(file.read_bytes()) if file else []


def _introduce(options: argparse.Namespace, server: StudioServer, studio: Studio) -> None:
    print(f"Studio (classic) stand-in: {server.url}", flush=True)
    if options.sample_data is not None:
        arff = options.sample_data.suffix.lower() == ".arff"
        options.sample_data.write_bytes(as_arff(sample_data()) if arff else sample_data())
        print(f"The sample's training data: {options.sample_data}")
    if options.sample:
        sample = publish_sample(studio, LogisticTrainer())
        print(f"\n{sample.snippet(server.url)}")
        if options.show_keys:
            print(f"SAMPLE_TRAINING_KEY={sample.training.api_key}")
            print(f"SAMPLE_ENDPOINT_KEY={sample.scoring.api_key}")
        else:
            print("The keys are not shown; --show-keys prints them.")
    sys.stdout.flush()
    write_ready_file(options.ready_file, url=server.url)


def _reason(error: Exception) -> str:
    """Say what is wrong without repeating values, which may be secrets."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        path = ".".join(map(str, first["loc"]))
        return f"the faults file is not valid: {path}: {first['msg']}"
    return type(error).__name__ if isinstance(error, AzureError) else str(error)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    raise SystemExit(main())
