"""Links and paths in documents lead to files, and the HTTP API's page names all routes."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from shared.config.loader import load_pipelines

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
#: They speak of the past, or of files of other projects.
EXEMPT: Final = frozenset({"CHANGELOG.md", *(f.name for f in (ROOT / "docs/reference").glob("*"))})
_LINK: Final = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
#: A path of this project in backquotes, with a folder that holds code or documents.
_PATH: Final = re.compile(
    r"`((?:shared|functions|cli|local|proofs|benchmarks|tests|docs)/[\w./*-]+)`", re.ASCII
)


def paths_in(file: Path) -> Iterator[Path]:
    text = re.sub(
        r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for link in _LINK.findall(text):
        if not link.startswith("http"):
            yield file.parent / link
    if file.name not in EXEMPT:
        yield from (ROOT / path for path in _PATH.findall(text))


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_link_and_every_path_leads_to_a_file(file: Path) -> None:
    missing = [
        path.relative_to(ROOT).as_posix()
        for path in (found.resolve() for found in paths_in(file))
        if not path.exists() and not any(path.parent.glob(path.name))
    ]
    assert not missing


def test_paths_and_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](b.md#c) [d](https://e) `shared/f.py` `tests/unit/g*.py` `h/i.py`\n")
    assert list(paths_in(page)) == [
        tmp_path / "b.md",
        ROOT / "shared" / "f.py",
        ROOT / "tests" / "unit" / "g*.py",
    ]


def test_the_page_of_the_http_api_lists_every_route() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(GET|POST) /api(/\S+)`", page, re.MULTILINE)
    described = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["paths"]
    routes = {
        (method.upper(), path)
        for path, operations in described.items()
        for method in operations
        if method in ("get", "post")
    }
    assert sorted(listed) == sorted({*routes, ("GET", "/openapi.json")})


def test_no_two_schemas_of_the_api_have_one_name() -> None:
    described = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    # Such a schema gets the path of its module as its name.
    assert [name for name in described["components"]["schemas"] if "__" in name] == []


#: What stands for a part of a URL in an example.
_PLACEHOLDERS: Final = {
    "<region>": "ussouthcentral",
    "<ws>": "a" * 32,
    "<id>": "b" * 32,
    "<group>": "models",
}


@pytest.mark.parametrize(
    ("page", "pipeline"), [("README.md", "churn"), ("docs/studio-classic.md", "census")]
)
def test_the_first_example_of_a_page_is_a_sound_pipelines_file(
    tmp_path: Path, page: str, pipeline: str
) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    example = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]
    for placeholder, value in _PLACEHOLDERS.items():
        example = example.replace(placeholder, value)
    (tmp_path / "pipelines.yaml").write_text(example, encoding="utf-8")
    shutil.copy(ROOT / "probe.example.json", tmp_path / "probe.json")
    for name in ("deployment.yml", "request.json"):
        shutil.copy(ROOT / "examples" / "azureml" / name, tmp_path)
    settings = {"CENSUS_TRAINING_KEY": "key", "CENSUS_ENDPOINT_KEY": "key"}
    found = load_pipelines(tmp_path / "pipelines.yaml", settings, development=False)
    assert not found.problems
    assert list(found.pipelines) == [pipeline]


def pasted(text: str) -> Iterator[str]:
    """Return the lines of the blocks that are pasted into a shell."""
    fenced: str | None = None
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = line[3:] if fenced is None else None
        elif fenced == "sh":
            yield line


#: In a comment on a line of its own, an interactive zsh still reads these signs.
_READ_BY_SHELL: Final = re.compile(r"""^#.*[`'";|&<>()$*?\[\]]""")


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_block_has_a_comment_that_an_interactive_zsh_would_take_for_arguments(
    file: Path,
) -> None:
    lines = pasted(file.read_text(encoding="utf-8"))
    assert not [one for one in lines if re.search(r"\S\s+#", one) or _READ_BY_SHELL.search(one)]


def test_comments_in_blocks_are_found() -> None:
    page = "```yaml\na: 1 # b\n```\n```sh\nmake x # y\n# it's\n# plain\n```\n# a (b)\n"
    assert list(pasted(page)) == ["make x # y", "# it's", "# plain"]
    assert _READ_BY_SHELL.search("# it's")
    assert not _READ_BY_SHELL.search("# plain")
