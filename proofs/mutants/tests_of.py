"""Which modules are tried, and which tests must find a mistake in each."""

import ast
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

#: The core, and whatever keeps claims, leases, slots, endpoint records and looks at endpoints.
TRIED: Final = (
    "shared/core/*.py",
    "shared/clients/blob_documents.py",
    "shared/asked.py",
    "shared/backfill.py",
    "shared/drift.py",
    "shared/driver.py",
    "shared/due_times.py",
    "shared/endpoints.py",
    "shared/forgetting.py",
    "shared/gate_steps.py",
    "shared/gathering.py",
    "shared/hints.py",
    "shared/history.py",
    "shared/intake.py",
    "shared/job_*.py",
    "shared/lanes.py",
    "shared/last_good.py",
    "shared/ledger.py",
    "shared/lookup.py",
    "shared/model_steps.py",
    "shared/newness.py",
    "shared/openings.py",
    "shared/orders.py",
    "shared/pipelines.py",
    "shared/poll.py",
    "shared/preconditions.py",
    "shared/promotion_steps.py",
    "shared/queues.py",
    "shared/recorded.py",
    "shared/records.py",
    "shared/reservation_steps.py",
    "shared/retention.py",
    "shared/roll_out_steps.py",
    "shared/schedules.py",
    "shared/storage_clock.py",
    "shared/strays.py",
    "shared/sweep.py",
    "shared/taking.py",
    "shared/turns.py",
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
    "asked": "functions/people_api",
    "backfill": f"{_GATHERING} unreadable last_good renamed",
    "blob_documents": "contract/documents",
    "blobs": "stored_forms intake gathering clocks",
    "cleaning": "stored_forms retention retention_kinds unreadable functions/health",
    "config_types": f"{_FILES} recurrence job_forms",
    "data": f"{_FILES} intake gathering job_forms",
    "drift": "driver fairness busy_services rollback last_good pauses guards",
    "driver": (
        "leases unreadable pauses poll turns turns_hostile promotion_regressions drift roll_out "
        f"gate_runs intake promotion gathering_hostile clocks {_LIVES}"
    ),
    "due_times": "recurrence last_good fairness unreadable clocks odd_services",
    "durations": "recurrence config schema_file",
    "endpoint": f"{_FILES} urls {_ENDPOINTS}",
    "endpoints": f"{_ENDPOINTS} functions/endpoint_api functions/people_api",
    "evaluation": "gate_runs gate_hostile",
    "evaluation_json": "evaluation evaluation_files gate gate_hostile",
    "evaluation_names": "evaluation evaluation_files gate gate_hostile",
    "evaluation_text": "evaluation evaluation_files gate gate_hostile",
    "facts": f"driver turns poll leases unreadable {_ENDPOINTS}",
    "forgetting": "retention retention_kinds endpoint_regressions unreadable",
    "gate": _FILES,
    "gate_facts": f"gate_runs gate_hostile retry_gate {_TURNS} functions/people_api",
    "gate_steps": "gate_runs gate_hostile retry_gate baselines evaluation_files guards",
    "gathering": f"{_GATHERING} {_TURNS} unreadable renamed alerts leases fairness clocks",
    "head": f"stored_forms {_ENDPOINTS}",
    "counting": "waiting roll_out evaluation",
    "foreign": "config_together pasted urls customers",
    "hints": "driver poll turns",
    "history": "functions/people_api functions/http_api functions/health",
    "identity": f"studio_endpoint web_service_client {_ENDPOINTS}",
    "intake": (
        f"{_GATHERING} {_TURNS} rollback due_times drift poll unreadable last_good newness alerts "
        "odd_services gate_runs full_listing changed_file"
    ),
    "job_facts": f"driver busy_services odd_services poll {_TURNS}",
    "job_inputs": f"{_JOBS} {_GATHERING} lookup",
    "job_steps": f"{_JOBS} {_TURNS} search gate_runs gathering_hostile model_steps guards alerts",
    "judgement": f"pauses proof {_ENDPOINTS}",
    "lanes": "fairness poll busy_services turns_hostile gathering drift",
    "keys": "customers gathering intake",
    "last_good": "due_times functions/health functions/broken_file renamed unreadable clocks "
    "changed_file",
    "ledger": (
        f"unreadable {_GATHERING} {_TURNS} retention retention_kinds fairness last_good drift "
        "rollback orders functions/people_api full_listing"
    ),
    "looks": f"stored_forms judgement pauses {_ENDPOINTS}",
    "lookup": "taking drift search gathering",
    "machine": f"stored_forms driver promotion gate_runs roll_out orders {_TURNS}",
    "model_steps": f"{_ENDPOINTS} gate_hostile evaluation_files job_forms",
    "names": "gathering intake ledger places model_steps baselines",
    "ncrontab": "schedule due_times",
    "newness": f"without_md5 {_GATHERING}",
    "notes": "versions without_md5 functions/people_api",
    "openings": f"{_GATHERING} {_TURNS} odd_services due_times_hostile job_forms pasted alerts",
    "orders": (
        "functions/people_api functions/http_api roll_out roll_out_regressions turns retry_gate "
        "driver gate_runs alerts"
    ),
    "parameters": f"job_forms config {_GATHERING}",
    "pasted": "urls config config_bounds identity",
    "pattern": f"{_FILES} customers gathering",
    "pipeline": f"{_FILES} customers turns {_ENDPOINTS}",
    "pipelines": "functions/people_api",
    "places": _ENDPOINTS,
    "poll": (
        f"fairness leases unreadable queue_costs {_GATHERING} busy_services turns due_times "
        "endpoint_turns drift roll_out endpoint_regressions due_times_hostile clocks last_good "
        f"{_LIVES}"
    ),
    "preconditions": "functions/people_api rollback turns",
    "promotion_facts": _ENDPOINTS,
    "promotion_steps": f"{_ENDPOINTS} driver alerts busy_services guards",
    "proof": f"stored_forms {_ENDPOINTS}",
    "queues": f"{_TURNS} unreadable fairness poll leases",
    "recorded": f"versions promotion {_GATHERING}",
    "records": "gathering last_good due_times retention search",
    "recurrence": "config",
    "redact": "driver signatures studio_errors",
    "references": "job_forms config studio_references",
    "reservation_steps": f"{_ENDPOINTS} driver busy_services guards roll_out_rules",
    "retention": "gathering_hostile unreadable",
    "retry": f"retry_gate pauses {_ENDPOINTS}",
    "roll_out": _ENDPOINTS,
    "roll_out_steps": f"{_ENDPOINTS} driver alerts roll_out_rules functions/people_api",
    "run": (
        f"stored_forms machine driver orders functions/people_api job_forms {_TURNS} {_ENDPOINTS}"
    ),
    "schedules": "due_times due_times_hostile fairness unreadable last_good",
    "signatures": "redact studio_errors",
    "slot": f"stored_forms {_TURNS} pauses poll fairness functions/people_api",
    "storage_clock": "clocks",
    "strays": f"taking {_GATHERING} {_TURNS} renamed unreadable",
    "sweep": f"{_GATHERING} fairness unreadable last_good leases",
    "taking": (
        f"without_md5 versions {_GATHERING} {_TURNS} renamed unreadable leases retention_kinds "
        "odd_services"
    ),
    "training": f"{_FILES} job_forms gathering turns",
    "turns": (
        "queue_costs unreadable gathering gathering_hostile functions/people_api alerts fairness "
        "retry_gate taking clocks"
    ),
    "urls": "config config_bounds identity studio_management roll_out_hostile customers",
    "watch": f"stored_forms drift {_ENDPOINTS}",
    "together": "config_together config config_bounds",
    "waiting": "counting functions/people_api",
}


_MANY: Final = 20


def modules() -> list[Path]:
    """Return the modules that are tried, from the root of the project, in order."""
    found = {file for pattern in TRIED for file in ROOT.glob(pattern)}
    return sorted(file.relative_to(ROOT) for file in found if file.stat().st_size)


@cache
def tests_of(module: Path) -> tuple[str, ...]:
    """Return the files of tests for a module, the nearest first."""
    folder = ROOT / "tests" / "unit"
    named = sorted(folder.glob(f"test_{module.stem}*.py"), key=lambda file: len(file.name))
    name = ".".join(module.with_suffix("").parts)
    using = [file for file in sorted(folder.glob("test_*.py")) if name in _imports(file)]
    more = [_file(subject) for subject in MORE.get(module.stem, "").split()]
    # What everything imports has its tests in the table.
    files = dict.fromkeys([*named, *more, *(using if len(using) < _MANY else ())])
    return tuple(file.relative_to(ROOT).as_posix() for file in files)


def _file(subject: str) -> Path:
    folder, _, name = subject.rpartition("/")
    return ROOT / "tests" / (folder or "unit") / f"test_{name}.py"


@cache
def _imports(file: Path) -> frozenset[str]:
    lines = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    found = [line for line in lines if isinstance(line, ast.ImportFrom)]
    names = {f"{line.module}.{one.name}" for line in found for one in line.names}
    return frozenset(names | {f"{line.module}" for line in found})
