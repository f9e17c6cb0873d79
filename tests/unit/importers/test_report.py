"""The report of an import: in order, stable as JSON, readable as Markdown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.core.config.schedule_words import NextWindow
from shared.importers.data_factory.account import ImportOutcome, Line, Place
from shared.importers.data_factory.report import (
    PipelineOfReport,
    Report,
    ScheduleOfReport,
    Setting,
    as_json,
    past_words,
    sorted_lines,
)
from shared.importers.data_factory.report_markdown import code, markdown, plain, prose

AT = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
MAPPED = Line(
    "b.json", ("p", 10, "retry"), "policy", "retry", ImportOutcome.MAPPED, "churn: attempts: 4"
)
ROUGH = Line(
    "b.json", ("p", 2), "dataset", "out", ImportOutcome.APPROXIMATED, "another path", "rotate it"
)
BLOCK = "training:\n  kind: azureml"
LEFT = Line(
    "a.json", (), "activity", "Copy|1", ImportOutcome.NOT_CARRIED_OVER, "no <b>", "do it", BLOCK
)
REPORT = Report(
    sorted_lines([MAPPED, ROUGH, LEFT]),
    (PipelineOfReport("churn", (("Retrain", Place("b.json", ("p", 2))),)),),
    (
        ScheduleOfReport(
            "churn",
            "every week",
            "its due time",
            tuple(
                NextWindow(AT + at * WEEK, AT + (at + 1) * WEEK, AT + (at + 1) * WEEK, None)
                for at in range(10)
            ),
            past=3,
        ),
    ),
    (Setting("KEY", "the key", (Place("b.json", ("k",)),), in_clear=True),),
    "training",
    "store",
    AT,
)


def test_lines_are_in_the_order_of_file_and_place() -> None:
    assert sorted_lines([MAPPED, ROUGH, LEFT]) == (LEFT, ROUGH, MAPPED)
    names = [replace(ROUGH, path=path) for path in (("p", 2), ("p", 2, "a"), ("p",), ("o", 9))]
    assert [one.path for one in sorted_lines(names)] == [
        ("o", 9),
        ("p",),
        ("p", 2),
        ("p", 2, "a"),
    ]


def test_the_summary_and_the_steps_count_what_there_is() -> None:
    assert REPORT.summary == (
        "1 pipeline made from 2 files. 3 lines: 1 mapped, 1 approximated, 1 not carried over; "
        "2 ask you to do something."
    )
    steps = REPORT.steps("imported/pipelines.yaml")
    assert steps[0] == "Rotate the secrets that stand in clear text in 1 place: b.json: p[2]."
    assert steps[1].startswith("Replace `training` and `endpoints`")
    assert steps[2].startswith('Do what 2 lines under "To do" in import-report.md ask')
    assert "Check the file: relearn validate imported/pipelines.yaml" in steps
    assert any("--backfill" in one for one in steps)
    assert any("no run, being paused or over: churn" in one for one in steps)
    (paused,) = REPORT.schedules
    due = replace(paused, windows=(replace(paused.windows[0], begins=AT),))
    for one in (due, replace(paused, windows=(), backfill=True)):
        assert not one.opens_no_run
    assert replace(paused, windows=()).opens_no_run
    for text, step in (
        ("churn: data.blob: fill-in/input1.csv stands in place of a path", "begin with fill-in/"),
        ("it holds placeholders, and example ids stand in their place", "the example ids"),
        ("mlEndpoint is empty, and an example stands in its place", "the example ids"),
    ):
        told = replace(REPORT, lines=(replace(ROUGH, text=text),)).steps()
        assert any(step in one for one in told)
        assert not any(step in one for one in steps)
    nothing = Report((LEFT,))
    assert nothing.steps()[0] == "Nothing was imported: each line of the report says why."
    assert "there was no JSON file" in Report(()).steps()[0]
    assert Report((ROUGH,)).steps()[-1].startswith("Rotate the secrets")
    assert not any("verify" in one for one in steps)
    served = replace(REPORT.pipelines[0], endpoints=("second",))
    assert any("verify" in one for one in replace(REPORT, pipelines=(served,)).steps())


def test_windows_that_have_passed_are_said() -> None:
    (one,) = REPORT.schedules
    assert past_words(one).startswith("3 windows have passed; none of them gets a run")
    assert "1 window has passed: it gets a run" in past_words(replace(one, past=1, backfill=True))
    assert "they get runs, the newest" in past_words(replace(one, past=3, backfill=True))
    assert past_words(replace(one, past=1000)).startswith("1000 windows or more have passed")
    assert past_words(replace(one, past=0)) == ""


def test_json_has_a_form_that_stays_the_same() -> None:
    found = as_json(REPORT)
    assert list(found) == [
        "form",
        "result",
        "made",
        "counts",
        "pipelines",
        "lines",
        "schedules",
        "settings",
        "container",
        "steps",
    ]
    assert found["made"] == "2026-01-05T00:00:00+00:00"
    assert as_json(Report(()))["made"] is None
    assert found["counts"] == {"mapped": 1, "approximated": 1, "not_carried_over": 1}
    assert found["lines"][0] == {
        "file": "a.json",
        "path": "",
        "kind": "activity",
        "name": "Copy|1",
        "outcome": "not carried over",
        "text": "no <b>",
        "to_do": "do it",
        "block": BLOCK,
    }
    assert found["lines"][2]["path"] == "p[10].retry"
    (schedule,) = found["schedules"]
    assert len(schedule["windows"]) == 10
    assert schedule["windows"][0] == {
        "start": "2026-01-05T00:00:00+00:00",
        "end": "2026-01-12T00:00:00+00:00",
        "due": "2026-01-12T00:00:00+00:00",
        "begins": None,
    }
    assert found["settings"][0]["stood"] == [{"file": "b.json", "path": "k"}]
    assert as_json(Report((LEFT,)))["result"] == "nothing imported"


def test_markdown_begins_with_the_summary_and_what_to_do() -> None:
    text = markdown(REPORT)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Import from Azure Data Factory",
        "## What to do next",
        "## Pipelines",
        "## Settings to set",
        "## To do",
        "### a.json",
        "### b.json",
        "## Schedules",
        "### churn",
        "## All other values",
        "### b.json",
        "## Files",
    ]
    assert "Made 2026-01-05 00:00 UTC by `relearn import-adf`." in text
    assert text.index(REPORT.summary) < text.index("## What to do next")
    assert "| a.json | 0 | 0 | 1 | 1 |" in text
    assert text.count("no &lt;b>") == 1, "each line is there once"
    assert "```yaml\ntraining:\n  kind: azureml\n```" in text
    assert "| 2026-01-05 00:00 | 2026-01-12 00:00 | 2026-01-12 00:00 | no run: paused |" in text


def test_every_row_of_a_table_has_the_cells_of_its_head() -> None:
    odd = replace(LEFT, text="a | b\n`c` [d](e)", name="x`y|z")
    tables = markdown(replace(REPORT, lines=(odd, MAPPED))).split("\n\n")
    rows = [[one.replace("\\|", "") for one in table.splitlines()] for table in tables]
    counts = [{row.count("|") for row in table} for table in rows if table[0].startswith("|")]
    assert len(counts) == 7
    assert all(len(found) == 1 for found in counts)
    assert plain("a|b <i> *c*\n[d](e)") == "a\\|b &lt;i> \\*c\\* \\[d\\](e)"
    assert prose("`a|*` and *b*") == "`a\\|*` and \\*b\\*"
    assert prose("a ` b") == "a \\` b"
    assert code("a|b") == "`a\\|b`"
    assert code("a`b") == "a\\`b"


def test_each_line_is_in_the_section_of_what_it_asks() -> None:
    differs = replace(ROUGH, path=("d",), to_do="")
    aside = replace(LEFT, path=("n",), to_do="nothing to do for this key", block="")
    assert [one.asks for one in (ROUGH, LEFT, differs, aside, MAPPED)] == [True, True] + [False] * 3
    text = markdown(Report(sorted_lines([ROUGH, differs, aside, MAPPED]), REPORT.pipelines))
    begins = [text.index(f"## {one}") for one in ("To do", "What differs", "All other values")]
    assert begins == sorted(begins)
    places = [text.index(f"| `{one.at}` |") for one in (ROUGH, differs, aside, MAPPED)]
    assert begins[0] < places[0] < begins[1] < places[1] < begins[2] < min(places[2:])
    assert "There was no definition" in markdown(Report(()))
