"""The check finds at least 95 of 100 names of a template that are mistyped by one letter."""

from collections.abc import Iterable, Mapping

from local.infra_check.check import ROOT, check_all, templates, texts_of
from local.infra_check.declarations import check_file
from local.infra_check.settings import indexed_functions
from local.infra_check.syntax import Finding
from tests.infra.mutations import Mutation, mutations, names_in

SEED, COUNT, LEAST = 16, 100, 0.95


def found(
    texts: Mapping[str, str], name: str, functions: frozenset[str], known: set[tuple[str, str]]
) -> bool:
    """Whether a new problem is found in a changed file, or in a file that uses it."""
    program = templates(ROOT, texts)
    check_file(program.files[name])
    if _told(program.files[name].found) - known:
        return True  # most are: the rest need not be checked
    return bool(_told(check_all(ROOT, texts, functions)) - known)


def _told(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    return {(one.file, one.what) for one in findings}


def test_templates_alerts_and_azure_yaml_have_no_mistake() -> None:
    wrong = check_all(ROOT, texts_of(ROOT), indexed_functions(ROOT))
    assert not wrong, "\n".join(map(str, wrong))


def test_95_of_100_mistyped_names_are_found() -> None:
    texts, functions = texts_of(ROOT), indexed_functions(ROOT)
    known = _told(check_all(ROOT, texts, functions))
    made = mutations(texts, SEED, COUNT)
    changed = [{**texts, one.file: one.of(texts[one.file])} for one in made]
    missed = [
        one
        for one, text in zip(made, changed, strict=True)
        if not found(text, one.file, functions, known)
    ]
    listed = "\n".join(map(str, missed))
    assert len(missed) <= COUNT * (1 - LEAST), f"{len(missed)} of {COUNT} are missed:\n{listed}"


def test_mutations_are_many_different_places_and_the_same_each_time() -> None:
    texts = texts_of(ROOT)
    made = mutations(texts, SEED, COUNT)
    assert len({(one.file, one.start) for one in made}) == COUNT
    assert made == mutations(texts, SEED, COUNT) != mutations(texts, SEED + 1, COUNT)
    assert all(one.of(texts[one.file]) != texts[one.file] for one in made)
    places = [
        node
        for name, text in texts.items()
        if name.endswith(".bicep")
        for node in names_in(name, text)
    ]
    assert len(places) > 5 * COUNT


def test_a_mutation_changes_its_place_alone() -> None:
    one = Mutation("a.bicep", 1, 6, 9, "own", "onw")
    assert one.of("param own string // own") == "param onw string // own"
    assert str(one) == "a.bicep:1: own -> onw"
    assert Finding("a", 1, "b", "c") < Finding("a", 2, "a")
