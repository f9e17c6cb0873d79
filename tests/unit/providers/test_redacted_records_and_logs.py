"""No secret is stored, logged or raised to the host; a blob with one in its name is not used."""

import logging
import traceback

import pytest

from shared.core.redaction import Redactor
from shared.core.run.record import Phase
from shared.errors import PermanentError, RelearnError, TransientError
from shared.providers.redacting import RedactingBlobs
from shared.telemetry import RedactedError, log, redacted_errors, use_redactor
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.worlds import Observed

SECRET = "s3cr3t+of/the=settings"


def test_what_a_step_learned_elsewhere_is_cleaned_before_it_is_kept() -> None:
    world = Observed(config={"pipeline": {"gate": {"rules": [{"metric": "AUC", "at_least": 0.5}]}}})
    key = world.training.api_key
    run = world.start()
    for _ in range(20):
        world.tick()
        path = f"runs/sample/{run.run_id}/1/evaluation.json"
        world.blobs.put("models", path, b'[{"a": "%s"}, {"a": "x"}]' % key.encode())
        if world.now_of(run).phase.ended:
            break
    assert world.now_of(run).phase is Phase.REJECTED
    assert "there are 2 rows" in world.everything_stored()
    assert key[:20] not in world.everything_stored()


def test_an_error_of_the_storage_that_names_a_secret_is_kept_without_it() -> None:
    world = Observed(config={"pipeline": {"gate": {"rules": [{"metric": "AUC", "at_least": 0.5}]}}})
    key = world.training.api_key

    def refuse(*_: object) -> None:
        raise PermanentError(f"storage: {key} is refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.blobs, "read", refuse)
        run = world.until(world.start(), Phase.REJECTED)
    assert "the evaluation cannot be read: storage: *** is refused" in (run.reason or "")


def test_an_error_of_the_data_storage_that_names_a_secret_is_kept_without_it() -> None:
    world = Observed()
    key, run = world.training.api_key, world.start()

    def refuse(*_: object) -> None:
        raise PermanentError(f"storage: {key} is refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.blobs, "head", refuse)
        parked = world.until(run, Phase.PARKED)
    assert "storage: *** is refused" in (parked.reason or "")
    assert key not in world.everything_stored()


def test_no_line_of_the_log_holds_a_secret_nor_does_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    use_redactor(Redactor(SECRET))
    caplog.set_level(logging.INFO, "relearn")
    log.info("blob %s has %s", f"a?sig={SECRET}", SECRET)
    error = RuntimeError(f"key {SECRET}")
    error.__cause__ = ValueError(f"cannot read https://a.example/b?sv=1&sig={SECRET}")
    log.error("run %s cannot be advanced", "sample-1", exc_info=error, stack_info=True)
    text = caplog.text + "".join(repr(record.exc_info) for record in caplog.records)
    assert "cr3t" not in text
    assert "RuntimeError: key ***" in text
    assert "cannot read https://a.example/b?***" in text


def test_a_traceback_without_a_secret_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError("nothing to hide")
    log.error("an error", exc_info=error)
    (record,) = caplog.records
    assert record.exc_info
    assert record.exc_info[1] is error


def test_what_is_raised_to_the_host_holds_no_secret() -> None:
    use_redactor(Redactor(SECRET))

    class StubbornError(Exception):
        def __str__(self) -> str:
            return SECRET

    for error, raised in (
        (TransientError(SECRET), TransientError),
        (ValueError(SECRET), ValueError),
        (StubbornError(), RedactedError),
    ):
        error.__cause__ = KeyError(SECRET)
        with pytest.raises(raised) as caught, redacted_errors():
            raise error
        assert SECRET not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(RelearnError) as kept, redacted_errors():
        raise TransientError("nothing") from ValueError("to hide")
    assert isinstance(kept.value.__cause__, ValueError)


def test_a_blob_whose_name_holds_a_secret_is_left_alone_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = FakeBlobs(FakeClock())
    dirty, clean = "in/long-secret-of-settings.csv", "in/a.csv"
    for name in (dirty, clean):
        plain.put("data", name, b"x")
    secret = "long-secret-of-settings"
    use_redactor(Redactor(secret))
    blobs = RedactingBlobs(plain, Redactor(secret))
    for _ in range(2):
        assert blobs.head("data", dirty) is None
        assert [blob.name for blob in blobs.listing("data", "in/")] == [clean]
        assert [blob.name for blob in blobs.page("data", None).items] == [clean]
    assert blobs.head("data", clean) is not None
    assert len(caplog.records) == 1
    assert secret not in caplog.text
