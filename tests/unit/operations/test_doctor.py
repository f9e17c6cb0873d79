"""Doctor over a whole app: its parts, endpoints and timers, and planted errors."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.config.settings import Problem
from shared.core.findings import CheckedLine, CheckOutcome, Findings, ok, wrong
from shared.core.run.record import Phase
from shared.errors import PermanentError
from shared.ledger.progress import LastEvent
from shared.operations.doctor import Bounds, Doctor
from shared.ports.checks import Check
from shared.providers.http.client import Answer
from tests.fakes.echoes import SPELLINGS, pieces
from tests.fakes.world import World
from tests.unit.execution.test_keyed_endpoints import keyed
from tests.unit.maintenance.drifted_worlds import live, meddle
from tests.unit.worlds import Observed

QUICK = Bounds(whole=20.0, each=10.0)


def report(world: World, **changes: Any) -> Findings:
    return replace(world.app.doctor, bounds=QUICK, **changes).report()


def lines(found: Findings, part: str) -> dict[str, CheckedLine]:
    return {line.check: line for line in found.lines if line.part == part}


def finding(world: World, part: str, check: str) -> tuple[str, str, str]:
    found = lines(report(world), part)[check].finding
    return found.outcome.value, found.text, found.advice


def served() -> Observed:
    """Return a world whose endpoint serves a model of Relearn."""
    return live()[0]


def test_a_sound_app_is_well_and_its_parts_have_a_fixed_order() -> None:
    world = served()
    storage = (Check("storage", "a", "", lambda: ok("a")), Check("clock", "b", "", lambda: ok("b")))
    found = report(world, storage=lambda: storage)
    assert found.is_well
    parts = [line.part for line in found.lines]
    assert parts == [
        *("settings", "clock", "storage", *["events"] * 5),
        *("services", "endpoints", "endpoints", "timers"),
    ]
    served_line = lines(found, "endpoints")["sample/production"].finding.text
    assert served_line.startswith(f"the model of run {world.run().run_id} serves since ")


def test_nothing_is_stored_and_nothing_is_asked_that_has_an_effect() -> None:
    world = served()
    before, sent = dict(world.documents.rows), len(world.http.sent)
    effects = len(world.faults.sites)
    report(world)
    assert world.documents.rows == before
    assert len(world.faults.sites) == effects
    methods = [one.partition(" ") for one in world.http.sent[sent:]]
    assert all(m == "GET" or path.endswith("/execute") for m, _, path in methods)


def test_a_wrong_key_of_the_training_service_is_reported() -> None:
    world = World()
    world.environment["TRAINING_KEY"] = "d3JvbmctdHJhaW5pbmcta2V5LW9mLWEtdGVzdA=="
    world.restart()
    (line,) = lines(report(world), "services").values()
    assert line.finding.outcome is CheckOutcome.WRONG
    assert "401" in line.finding.text
    assert "training.api_key" in line.finding.advice
    assert "d3Jvbmct" not in str(line)


def test_a_key_that_is_not_set_is_reported_by_its_name() -> None:
    world = World()
    del world.environment["TRAINING_KEY"]
    (line,) = lines(report(world), "services").values()
    assert line.finding.outcome is CheckOutcome.WRONG
    assert "TRAINING_KEY" in line.finding.text


def test_a_service_that_does_not_exist_is_distinguished_from_a_job_that_does_not() -> None:
    world = World()
    body = b'{"error": {"code": "NotFound", "details": [{"code": "WebServiceNotFound"}]}}'
    world.http.answers.append(
        lambda method, path: Answer(404, {}, body) if "/jobs/" in path else None
    )
    (line,) = lines(report(world), "services").values()
    assert line.finding.outcome is CheckOutcome.WRONG
    assert "WebServiceNotFound" in line.finding.text


def test_a_connection_string_of_another_account_is_reported() -> None:
    key = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ"
    world = World(config={"training": {"connection_string": "${OTHER}"}})
    world.environment["OTHER"] = f"AccountName=another;AccountKey={key}"
    world.restart()
    found = [one for name, one in lines(report(world), "services").items() if "connection" in name]
    (line,) = found
    assert "opens another storage account than account" in line.finding.text
    assert key not in str(line)


def test_a_model_that_others_set_is_drift() -> None:
    world = served()
    assert finding(world, "endpoints", "sample/production")[0] == "ok"
    meddle(world)
    kind, text, advice = finding(world, "endpoints", "sample/production")
    assert kind == "wrong"
    assert text.startswith("it has drifted: ")
    assert "find out who else updates this endpoint" in advice


@pytest.mark.parametrize(
    ("status", "create", "kind", "says"),
    [
        (401, False, "not_checked", "its key may not read it (no reason given (HTTP 401))"),
        (404, False, "wrong", "read the endpoint"),
        (404, True, "not_checked", "the first promotion makes it"),
        (500, True, "wrong", "read the endpoint"),
    ],
)
def test_an_endpoint_that_cannot_be_read_says_what_is_known_of_it(
    status: int, kind: str, says: str, *, create: bool
) -> None:
    more = {"create": True, "workspace_token": "${ENDPOINT_KEY}"} if create else {}
    world = World(config={"endpoint": more})
    world.http.answers.append(
        lambda _, path: Answer(status, {}, b"") if path.endswith("/endpoints/production") else None
    )
    found = lines(report(world), "endpoints")
    (line,) = [one.finding for name, one in found.items() if name.endswith(": read")]
    assert line.outcome.value == kind
    assert says in line.text


def test_an_endpoint_that_refuses_its_probe_is_reported() -> None:
    world = served()
    world.http.answers.append(
        lambda _, path: Answer(401, {}, b"") if path.endswith("/execute") else None
    )
    kind, text, advice = finding(world, "endpoints", "sample/production")
    assert kind == "wrong"
    assert "the probe" in text
    assert "key in pipelines.yaml" in advice


def test_an_endpoint_that_is_being_updated_is_not_checked() -> None:
    world = Observed()
    world.until(world.start(), Phase.VERIFYING)
    kind, text, _ = finding(world, "endpoints", "sample/production")
    assert (kind, text) == ("not_checked", f"run {world.run().run_id} is updating it now")


def test_a_timer_that_does_not_run_is_reported() -> None:
    world = served()
    world.clock.move(timedelta(hours=2))
    kind, text, advice = finding(world, "timers", "poll_jobs and start_scheduled_runs")
    assert kind == "wrong"
    assert "no poll since" in text
    assert "restart the app" in advice


def test_messages_and_events_that_were_given_up_are_reported() -> None:
    world = served()
    poison, letters = "relearn-storage-events-poison", "relearn-dead-letters"
    queue, container = f"queue {poison} of account", f"container {letters} of account"
    assert finding(world, "events", queue)[0] == finding(world, "events", container)[0] == "ok"
    world.queues.put(poison, 3)
    world.blobs.put(letters, "a/b.json", b"{}")
    kind, text, advice = finding(world, "events", queue)
    assert (kind, text) == ("wrong", "it holds 3 messages, which were given up")
    assert "az storage message peek" in advice
    kind, text, advice = finding(world, "events", container)
    assert (kind, text) == ("wrong", "it holds 1 event that Event Grid gave up")
    assert "deadLetterReason" in advice
    world.blobs.missing.add(letters)
    assert finding(world, "events", container)[0] == "not_checked"


def test_a_queue_that_cannot_be_counted_is_not_taken_for_an_empty_one() -> None:
    world = World()
    world.queues.failure = PermanentError("count: access is denied")
    found = lines(report(world), "events")
    wrong_ones = {name for name, one in found.items() if one.finding.outcome is CheckOutcome.WRONG}
    assert len(wrong_ones) == 3
    assert all("Storage Queue Data Contributor" in found[one].finding.advice for one in wrong_ones)


def test_the_last_test_of_the_way_of_events_is_shown() -> None:
    world = served()
    assert finding(world, "events", "last event of a scratch blob")[0] == "not_checked"
    world.context.ledger.last_event.put(
        LastEvent(at=world.clock.now(), blob=".relearn/scratch/x", function="on_training_data"),
        None,
    )
    kind, text, _ = finding(world, "events", "last event of a scratch blob")
    assert kind == "ok"
    assert text.startswith("on_training_data got the event of .relearn/scratch/x at ")


def test_an_endpoint_of_a_customer_is_checked_by_its_key() -> None:
    world = Observed()
    keyed(world)
    world.environment["WS"] = world.studio.workspace_token
    world.studio.add_endpoint(world.endpoint.web_service_id, "acme")
    world.restart()
    assert not lines(report(world), "endpoints")
    world.until(world.start("acme/a.csv"), Phase.PROMOTED)
    found = lines(report(world), "endpoints")
    first, second = found
    assert first == "sample/theirs (acme)"
    assert second.endswith("/endpoints/acme: read")
    assert {one.finding.outcome for one in found.values()} == {CheckOutcome.OK}


def test_more_endpoints_than_are_checked_are_counted_as_not_checked() -> None:
    world = World()
    found = replace(world.app.doctor, bounds=Bounds(20.0, 10.0, endpoints=0)).report()
    (line,) = lines(found, "endpoints").values()
    assert line.check == "others"
    assert line.finding.outcome is CheckOutcome.NOT_CHECKED


def test_problems_and_hints_are_lines_of_their_own() -> None:
    problems = (Problem("CLAIM_LEASE", "too short", "make it longer"),)
    hints = (Problem("X__tenantId", "is set and not used", "remove it"),)
    found = Doctor(lambda: problems, lambda: hints).report()
    assert [(one.check, one.finding.outcome.value) for one in found.lines] == [
        ("CLAIM_LEASE", "wrong"),
        ("X__tenantId", "ok"),
        *[("all", "not_checked")] * 4,
    ]
    assert found.lines[0].finding.advice == "make it longer"


def test_many_hints_do_not_hide_what_is_wrong() -> None:
    hints = [Problem(f"line {n}", "is replaced") for n in range(25)]
    found = Doctor(lambda: (), lambda: hints).report()
    settings = [one for one in found.lines if one.part == "settings"]
    assert len(settings) == 1 + 20 + 1
    assert settings[-1].finding.text == "5 more hints: see GET /api/health/details"


def _always(answer: Answer, _method: str, _path: str) -> Answer:
    return answer


def test_no_secret_that_a_service_repeats_is_shown() -> None:
    for status in (200, 400, 401, 403, 404, 500, 503):
        world = served()
        secrets = [*world.environment.values()]
        words = " ".join(spell(one) for one in secrets for spell in SPELLINGS)
        body = f'{{"error": {{"code": "{status}", "message": "{"x" * 480} {words}"}}}}'
        answer = Answer(status, {"x-echo": secrets[0]}, body.encode())
        world.http.answers.append(partial(_always, answer))
        shown = str(report(world))
        leaks = [piece for one in secrets for piece in pieces(one) if piece in shown]
        assert not leaks, (status, leaks)


def test_where_the_ledger_does_not_work_what_needs_it_is_not_checked() -> None:
    world = served()
    bad = Check(
        "storage", "LEDGER_CONTAINER x: list", "", lambda: wrong("no"), gives="LEDGER_CONTAINER"
    )
    found = report(world, storage=lambda: (bad,))
    assert [one.check for one in found.lines if one.finding.outcome is CheckOutcome.WRONG] == [
        bad.name
    ]
    left = [one for one in found.lines if one.finding.outcome is CheckOutcome.NOT_CHECKED]
    assert {"sample/production", "last event of a scratch blob"} <= {one.check for one in left}
    assert {one.finding.text for one in left} == {
        "correct what the line of LEDGER_CONTAINER says first"
    }


def test_checks_of_one_name_at_two_services_are_both_run_and_distinguished() -> None:
    checks = [
        Check("storage", "workspace w: read", "https://a/1", lambda: ok("it is there")),
        Check("storage", "workspace w: read", "https://a/1", lambda: ok("it is there")),
        Check("storage", "workspace w: read", "https://a/2", lambda: wrong("no such")),
    ]
    found = lines(report(World(), storage=lambda: checks), "storage")
    assert {name: line.finding.outcome.value for name, line in found.items()} == {
        "workspace w: read (https://a/1)": "ok",
        "workspace w: read (https://a/2)": "wrong",
    }


def test_every_line_of_a_check_is_redacted() -> None:
    world = World()
    for secret in world.environment.values():
        check = Check("storage", f"of {secret}", "", partial(wrong, f"x {secret}", f"y {secret}"))
        found = report(world, storage=lambda check=check: (check,))
        assert "storage" in {line.part for line in found.lines}
        assert secret not in str(found)
