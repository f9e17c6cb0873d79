"""Which modules are tried, and which tests must find a mistake in each."""

import ast
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

#: The core, and whatever keeps claims, leases, slots, endpoint records and looks at endpoints.
TRIED: Final = (
    "shared/core/**/*.py",
    "shared/providers/azure_storage/documents.py",
    "shared/ledger/*.py",
    "shared/execution/*.py",
    "shared/intake/*.py",
    "shared/maintenance/*.py",
    "shared/operations/*.py",
    "shared/ports/clock.py",
)

_FILES: Final = "stored_forms config config_bounds config_scalars schema_file"
_JOBS: Final = "driver job_forms busy_services odd_services functions/people_api"
_ENDPOINTS: Final = (
    "promotion promotion_regressions rollback roll_out roll_out_hostile roll_out_regressions "
    "endpoint_regressions drift customers web_services gate_runs baselines pauses retry_gate"
)
_GATHERING: Final = "taking intake gathering gathering_race gathering_hostile customers search"
_TURNS: Final = "turns turns_hostile gathering queue_costs"
#: Lives of runs with odd services, dead workers, people and damaged records.
_LIVES: Final = "alerts odd_services busy_services guards orders retry_gate rollback leases"

#: Tests of a module besides those that are named after it or import it: those that reach it
#: through a world of runs, by the names of their files.
MORE: Final = {
    "intake/existing_blobs": "full_listing",
    "intake/listed": "full_listing",
    "maintenance/containers": "functions/health poll",
    "maintenance/ticks": "functions/health",
    "intake/requests": ("asked_parameters functions/people_api"),
    "intake/backfill": (f"backfill backfill_bounds {_GATHERING} unreadable last_good renamed"),
    "providers/azure_storage/documents": ("blob_documents contract/documents"),
    "core/blobs": "stored_forms intake gathering clocks",
    "core/cleaning_round": (
        "cleaning stored_forms retention retention_kinds unreadable functions/health"
    ),
    "core/config/types": f"{_FILES} recurrence job_forms",
    "core/config/studio_types": f"{_FILES} job_forms urls",
    "core/config/data": f"{_FILES} intake gathering job_forms",
    "maintenance/drift": (
        "drift drift_details driver fairness busy_services rollback last_good pauses guards"
    ),
    "execution/driver": (
        "driver driver_details "
        "leases unreadable pauses poll turns turns_hostile promotion_regressions drift roll_out "
        f"gate_runs intake promotion gathering_hostile clocks {_LIVES}"
    ),
    "intake/due_times": (
        "due_times due_times_details due_times_hostile "
        "recurrence last_good fairness unreadable clocks odd_services"
    ),
    "core/config/durations": ("durations recurrence config schema_file"),
    "core/config/studio_endpoint": (
        f"endpoint endpoint_turns endpoint_regressions {_FILES} urls {_ENDPOINTS}"
    ),
    "operations/endpoints": (
        f"endpoints_details {_ENDPOINTS} functions/endpoint_api functions/people_api"
    ),
    "core/evaluation/report": ("evaluation evaluation_files gate_runs gate_hostile"),
    "core/evaluation/json_report": "evaluation evaluation_files gate gate_hostile",
    "core/evaluation/metric_names": "evaluation evaluation_files gate gate_hostile",
    "core/evaluation/text": "evaluation evaluation_files gate gate_hostile",
    "core/run/control_events": (f"facts driver turns poll leases unreadable {_ENDPOINTS}"),
    "maintenance/retention_rules": (
        "forgetting retention retention_kinds endpoint_regressions unreadable"
    ),
    "core/evaluation/gate": (_FILES),
    "core/run/gate_events": f"gate_runs gate_hostile retry_gate {_TURNS} functions/people_api",
    "execution/gate": (
        "gate_steps gate_runs gate_hostile retry_gate baselines evaluation_files guards"
    ),
    "intake/batches": (
        "gathering gathering_race gathering_order gathering_hostile "
        f"{_GATHERING} {_TURNS} unreadable renamed alerts leases fairness clocks"
    ),
    "core/serving/state": (f"head stored_forms {_ENDPOINTS}"),
    "core/counting": ("counting waiting roll_out evaluation"),
    "core/config/foreign_syntax": "config_together pasted urls customers",
    "ledger/open_markers": ("hints driver poll turns"),
    "operations/history": ("history functions/people_api functions/http_api functions/health"),
    "core/config/studio_identity": (f"identity studio_endpoint web_service_client {_ENDPOINTS}"),
    "intake/blob_events": (
        "intake intake_details "
        f"{_GATHERING} {_TURNS} rollback due_times drift poll unreadable last_good newness alerts "
        "odd_services gate_runs full_listing changed_file"
    ),
    "core/run/job_events": f"driver busy_services odd_services poll {_TURNS}",
    "execution/inputs": (f"job_inputs {_JOBS} {_GATHERING} lookup"),
    "execution/job": (
        f"job_steps {_JOBS} {_TURNS} search gate_runs gathering_hostile model_steps guards alerts"
    ),
    "core/serving/verification": (f"judgement pauses proof {_ENDPOINTS}"),
    "execution/bulkheads": (
        "lanes lanes_order fairness poll busy_services turns_hostile gathering drift"
    ),
    "core/config/keys": "customers gathering intake",
    "intake/last_good": (
        "last_good last_good_details "
        "due_times functions/health functions/broken_file renamed unreadable clocks "
        "changed_file"
    ),
    "ledger/ledger": (
        "ledger ledger_details "
        f"unreadable {_GATHERING} {_TURNS} retention retention_kinds fairness last_good drift "
        "rollback orders functions/people_api full_listing"
    ),
    "core/serving/probe_series": (f"looks stored_forms judgement pauses {_ENDPOINTS}"),
    "execution/lookup": ("lookup taking drift search gathering"),
    "core/run/machine": (
        f"machine stored_forms driver promotion gate_runs roll_out orders {_TURNS}"
    ),
    "execution/models": (f"model_steps {_ENDPOINTS} gate_hostile evaluation_files job_forms"),
    "core/names": ("names gathering intake ledger places model_steps baselines"),
    "core/config/ncrontab": ("ncrontab schedule due_times"),
    "intake/eligibility": (f"newness without_md5 {_GATHERING}"),
    "core/run/data_notes": ("notes versions without_md5 functions/people_api"),
    "execution/run_factory": (
        f"openings {_GATHERING} {_TURNS} odd_services due_times_hostile job_forms pasted alerts"
    ),
    "operations/runs": (
        "orders orders_details "
        "functions/people_api functions/http_api roll_out roll_out_regressions turns retry_gate "
        "driver gate_runs alerts"
    ),
    "core/run/parameters": f"job_forms config {_GATHERING}",
    "core/config/pasted_urls": ("pasted urls config config_bounds identity"),
    "core/config/pattern": (f"pattern {_FILES} customers gathering"),
    "core/config/pipeline": (f"pipeline {_FILES} customers turns {_ENDPOINTS}"),
    "operations/pipelines": ("pipelines functions/people_api"),
    "core/blob_locations": (_ENDPOINTS),
    "maintenance/poll": (
        "poll poll_details "
        f"fairness leases unreadable queue_costs {_GATHERING} busy_services turns due_times "
        "endpoint_turns drift roll_out endpoint_regressions due_times_hostile clocks last_good "
        f"{_LIVES}"
    ),
    "operations/preconditions": "functions/people_api rollback turns",
    "core/run/promotion_events": _ENDPOINTS,
    "execution/promotion": (f"promotion_steps {_ENDPOINTS} driver alerts busy_services guards"),
    "core/serving/probes": (f"proof stored_forms {_ENDPOINTS}"),
    "execution/queues": (f"queues {_TURNS} unreadable fairness poll leases"),
    "execution/first_recorded": f"versions promotion {_GATHERING}",
    "ledger/records": "gathering last_good due_times retention search",
    "core/config/recurrence": ("recurrence config"),
    "core/redaction": ("redact driver signatures studio_errors"),
    "core/config/setting_references": ("references job_forms config studio_references"),
    "execution/endpoint_lease": (
        f"reservation_steps {_ENDPOINTS} driver busy_services guards roll_out_rules"
    ),
    "maintenance/retention": ("retention retention_kinds gathering_hostile unreadable"),
    "core/record_parts": f"run stored_forms machine {_TURNS}",
    "core/run/staging_events": "machine stored_forms candidates",
    "core/serving/candidates": "due_candidates stored_forms candidates",
    "core/serving/due_candidates": "due_candidates candidates",
    "core/serving/references": f"head stored_forms machine {_ENDPOINTS}",
    "core/config/studio_models": "baselines model_steps names",
    "execution/staging": "candidates",
    "core/run/retry": (f"retry retry_gate retry_gate pauses {_ENDPOINTS}"),
    "core/run/rollout": (_ENDPOINTS),
    "execution/rollout": (
        f"roll_out_steps {_ENDPOINTS} driver alerts roll_out_rules functions/people_api"
    ),
    "core/run/record": (
        "run "
        f"stored_forms machine driver orders functions/people_api job_forms {_TURNS} {_ENDPOINTS}"
    ),
    "intake/schedules": ("schedules due_times due_times_hostile fairness unreadable last_good"),
    "core/secret_shapes": ("signatures redact studio_errors"),
    "core/run/concurrency": (
        f"slot stored_forms {_TURNS} pauses poll fairness functions/people_api"
    ),
    "ports/clock": ("storage_clock clocks"),
    "intake/unwanted": (f"strays taking {_GATHERING} {_TURNS} renamed unreadable"),
    "intake/search": (f"sweep_details {_GATHERING} fairness unreadable last_good leases"),
    "intake/batch_claims": (
        "taking taking_claims "
        f"without_md5 versions {_GATHERING} {_TURNS} renamed unreadable leases retention_kinds "
        "odd_services"
    ),
    "core/config/studio_training": (f"training {_FILES} job_forms gathering turns"),
    "execution/concurrency": (
        "turns turns_places turns_hostile "
        "queue_costs unreadable gathering gathering_hostile functions/people_api alerts fairness "
        "retry_gate taking clocks"
    ),
    "core/config/studio_urls": (
        "urls config config_bounds identity studio_management roll_out_hostile customers"
    ),
    "core/serving/drift": (f"watch stored_forms drift {_ENDPOINTS}"),
    "core/config/cross_field": "config_together config config_bounds",
    "core/run/waiting": ("waiting counting functions/people_api"),
    "core/config/schedule": "schedule",
    "core/config/placeholders": "placeholders",
    "core/versions": "versions",
    "core/full_listing": "full_listing full_listing_rules",
    "execution/endpoint_queue": "endpoint_turns",
    "maintenance/changed_file": "changed_file",
}


_MANY: Final = 20


def modules() -> list[Path]:
    """Return the modules that are tried, from the root of the project, in order."""
    found = {file for pattern in TRIED for file in ROOT.glob(pattern)}
    return sorted(file.relative_to(ROOT) for file in found if file.stat().st_size)


def key_of(module: Path) -> str:
    """Return the name of a module in `MORE`."""
    return module.with_suffix("").as_posix().removeprefix("shared/")


@cache
def tests_of(module: Path) -> tuple[str, ...]:
    """Return the files of tests for a module, the nearest first."""
    folder = ROOT / "tests" / "unit"
    name = ".".join(module.with_suffix("").parts)
    using = [file for file in sorted(folder.rglob("test_*.py")) if name in _imports(file)]
    more = [_file(subject) for subject in MORE.get(key_of(module), "").split()]
    # What everything imports has its tests in the table.
    files = dict.fromkeys([*more, *(using if len(using) < _MANY else ())])
    return tuple(file.relative_to(ROOT).as_posix() for file in files)


def _file(subject: str) -> Path:
    folder, _, name = subject.rpartition("/")
    (found,) = (ROOT / "tests" / (folder or "unit")).rglob(f"test_{name}.py")
    return found


@cache
def _imports(file: Path) -> frozenset[str]:
    lines = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    found = [line for line in lines if isinstance(line, ast.ImportFrom)]
    names = {f"{line.module}.{one.name}" for line in found for one in line.names}
    return frozenset(names | {f"{line.module}" for line in found})
