"""Vendored packages: which are needed, which are refused, and the steps of the hook."""

import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

import vendoring
from console import Console, HookError
from environment import ROOT
from vendored_packages import pinned, vendored, wrong_in
from vendoring import FOLDER, LIST_FUNCTIONS, Interpreter, run_command

ELF: Final = b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00" + bytes(40)
OWN: Final = Interpreter("python3.13", "CPython", (3, 13), "Linux", "x86_64")
REQUIREMENTS: Final = """\
# a comment
azure-functions==1.26.0 ; python_full_version < '3.13'
azure-functions==2.3.0 ; python_full_version >= '3.13'
Fast_JSON[extra]==1.2  # another
"""


def package(
    folder: Path,
    name: str = "fast-json",
    version: str = "1.2",
    tags: Sequence[str] = ("cp313-cp313-manylinux_2_17_x86_64",),
    files: Mapping[str, bytes] | None = None,
    *,
    lost: Sequence[str] = (),
) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nWord: 1\nName: no\n"
    info.joinpath("METADATA").write_text(text, encoding="utf-8")
    told = "".join(f"Tag: {tag}\n" for tag in tags)
    info.joinpath("WHEEL").write_text(f"Wheel-Version: 1.0\n{told}", encoding="utf-8")
    record = [f"{info.name}/METADATA,,", "../../bin/tool,,", "gone/__pycache__/a.cpython-313.pyc,,"]
    for path, content in (files or {}).items():
        folder.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(path).write_bytes(content)
        record.append(f'"{path}",sha256=x,{len(content)}')
    record += [f"{path},," for path in lost]
    info.joinpath("RECORD").write_text("\n".join(record), encoding="utf-8")


def fitting(folder: Path) -> None:
    package(
        folder, "azure-functions", "2.3.0", ["py3-none-any"], {"azure/functions.py": b"x = 1\n"}
    )
    library = "fast/_c.cpython-313-x86_64-linux-gnu.so"
    package(folder, files={library: ELF, "fast.libs/libffi-1a.so.8": ELF, "fast/a.py": b""})


def test_pins_count_where_the_app_runs() -> None:
    assert pinned(REQUIREMENTS) == {"azure-functions": "2.3.0", "fast-json": "1.2"}


def test_the_pins_of_the_app_are_understood() -> None:
    pins = pinned((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert pins["azure-functions"].startswith("2.")
    assert {"cffi", "pydantic-core", "azure-storage-queue"} <= pins.keys()


@pytest.mark.parametrize(
    ("marker", "counts"),
    [
        ("python_version >= '3.9'", True),
        ("'3.10' <= python_version and python_full_version < '3.13.0'", False),
        ("python_full_version == '3.13' or sys_platform == 'win32'", True),
        ("(os_name == 'nt' or platform_system == 'Darwin') and extra == ''", False),
        ("platform_machine in 'x86_64 AMD64'", True),
        ("sys_platform not in 'linux darwin'", False),
        ("implementation_name != 'PyPy'", True),
    ],
)
def test_markers_are_judged_as_on_linux_with_python_3_13(marker: str, counts: bool) -> None:  # noqa: FBT001
    assert bool(pinned(f"a==1 ; {marker}")) is counts


@pytest.mark.parametrize(
    "line",
    ["a>=1", "-r other.txt", "a==1 ; python_version ~= '3.9'", "a==1 ; color == 'red'", "a==1 ;"],
)
def test_a_line_that_is_not_understood_is_named(line: str) -> None:
    with pytest.raises(HookError, match=r"requirements.txt, line 2: "):
        pinned(f"# first\n{line}")


def test_hashes_over_several_lines_are_passed_over() -> None:
    assert pinned("a==1 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\nb==2") == {
        "a": "1",
        "b": "2",
    }


def test_packages_that_fit_are_right(tmp_path: Path) -> None:
    fitting(tmp_path)
    assert wrong_in(tmp_path, pinned(REQUIREMENTS)) == []
    metadata = [one.info.joinpath("METADATA").stat().st_size for one in vendored(tmp_path)]
    assert [(one.name, one.size()) for one in vendored(tmp_path)] == [
        ("azure-functions", metadata[0] + 6),
        ("fast-json", metadata[1] + 2 * len(ELF)),
    ]


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("py2.py3-none-any", True),
        ("cp39-abi3-manylinux_2_28_x86_64", True),
        ("cp313-cp313-manylinux2014_x86_64", True),
        ("cp313-cp313-linux_x86_64", True),
        ("py3-none-manylinux2014_x86_64", True),
        ("cp314-abi3-manylinux_2_28_x86_64", False),
        ("cp311-cp311-manylinux2014_x86_64", False),
        ("cp313-cp313t-manylinux2014_x86_64", False),
        ("cp313-cp313-musllinux_1_2_x86_64", False),
        ("cp313-cp313-manylinux2014_aarch64", False),
        ("cp313-cp313-macosx_11_0_arm64", False),
        ("cp313-cp313-win_amd64", False),
        ("py2-none-any", False),
        ("nonsense", False),
    ],
)
def test_a_wheel_for_something_else_is_named(tmp_path: Path, tag: str, fits: bool) -> None:  # noqa: FBT001
    package(tmp_path, tags=[tag])
    wrong = wrong_in(tmp_path, {"fast-json": "1.2"})
    expected = [] if fits else [f"fast-json 1.2 is built for something else: {tag}"]
    assert wrong == expected


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a/_c.cpython-311-x86_64-linux-gnu.so", ELF, "built for another Python or platform"),
        ("a/_c.cpython-313-darwin.so", ELF, "built for another Python or platform"),
        ("a/_c.cp313-win_amd64.pyd", ELF, "built for another Python or platform"),
        ("a/_c.abi3.so", ELF[:18] + b"\xb7\x00", "not a library for Linux x86-64"),
        ("a/lib.so.1.2", b"\xcf\xfa\xed\xfe", "not a library for Linux x86-64"),
        ("a/x.dll", b"MZ", "not a library for Linux x86-64"),
    ],
)
def test_a_library_for_something_else_is_named(
    tmp_path: Path, file: str, content: bytes, words: str
) -> None:
    package(tmp_path, files={file: content, "a/note.so.txt": b"text"})
    (line,) = wrong_in(tmp_path, {"fast-json": "1.2"})
    assert line.startswith(file)
    assert words in line


def test_a_missing_wrong_or_extra_package_is_named(tmp_path: Path) -> None:
    package(tmp_path, "azure-functions", "1.26.0", ["py3-none-any"])
    package(tmp_path, "other", "5", ["py3-none-any"], lost=["other/a.py", "other/b.py"])
    assert wrong_in(tmp_path, pinned(REQUIREMENTS)) == [
        "azure-functions is 1.26.0, and 2.3.0 is pinned",
        "fast-json 1.2 is missing",
        "other 5 is there, and nothing pins it",
        "azure-functions is 1.26.0: with Python 3.13 the app needs 2.x",
        "other 5 lacks 2 of its files, as other/a.py",
    ]


@dataclass
class Commands:
    """Runs no command: pip puts fitting packages there, and the app has two functions."""

    pip: int = 0
    functions: str = '["one", "two"]'
    imported: int = 0
    ran: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)

    def __call__(
        self, command: Sequence[str], variables: Mapping[str, str], seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        del seconds
        self.ran.append(([*command], dict(variables)))
        if "pip" not in command:
            return subprocess.CompletedProcess(command, self.imported, f"noise\n{self.functions}\n")
        fitting(Path(command[command.index("--target") + 1]))
        return subprocess.CompletedProcess(command, self.pip, "what pip says\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.joinpath("requirements.txt").write_text(REQUIREMENTS, encoding="utf-8")
    names = "".join(f'@bp.function_name("{one}")\ndef f(): ...\n' for one in ("one", "two"))
    tmp_path.joinpath("functions").mkdir()
    tmp_path.joinpath("functions", "some.py").write_text(names, encoding="utf-8")
    tmp_path.joinpath(FOLDER, "left").mkdir(parents=True)
    return tmp_path


def ran(
    root: Path, commands: Commands, *arguments: str, python: Interpreter = OWN
) -> tuple[int, str]:
    out = io.StringIO()
    code = vendoring.main(arguments, Console(out), python, root, commands)
    return code, out.getvalue()


def test_packages_are_installed_checked_and_tried(root: Path) -> None:
    commands = Commands()
    code, said = ran(root, commands)
    assert code == 0, said
    assert not (root / FOLDER / "left").exists()
    (pip, variables), (imported, clean) = commands.ran
    assert " ".join(pip).startswith(
        "python3.13 -m pip install --no-deps --only-binary=:all: --platform manylinux2014_x86_64"
        " --python-version 3.13 --implementation cp --no-compile --target "
    )
    assert variables["PIP_USER"] == "0"
    assert {*clean} == {"PATH"}
    assert imported[-2:] == [str(root), str(root / FOLDER)]
    assert "2 functions" in said
    assert "0.0 MB  in all" in said


def test_an_install_that_fails_leaves_nothing_to_deploy(root: Path) -> None:
    code, said = ran(root, Commands(pip=1))
    assert code == 1
    assert not (root / FOLDER).exists()
    assert "what pip says" in said
    assert "pip failed (exit code 1)" in said


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (Commands(imported=1, functions="ImportError: x"), "cannot be imported with its packages"),
        (Commands(functions="[]"), "the app has 0 functions, and its source names 2: one, two"),
        (Commands(functions='["one", "three", "two"]'), "source names 2: three"),
    ],
)
def test_an_app_without_its_functions_is_failure_4(
    root: Path, commands: Commands, words: str
) -> None:
    code, said = ran(root, commands)
    assert code == 1
    assert words in said
    assert "failure-4" in said


def test_elsewhere_the_app_is_not_imported(root: Path) -> None:
    mac = replace(OWN, system="Darwin", machine="arm64")
    code, said = ran(root, Commands(functions="[]"), python=mac)
    assert code == 0
    assert "not tried" in said


def test_packages_that_are_there_can_be_checked_alone(root: Path) -> None:
    commands = Commands()
    assert ran(root, commands, "--check")[0] == 1
    assert commands.ran == []
    assert (root / FOLDER / "left").exists()


def test_faults_that_are_not_shown_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, end in ((20, ""), (27, "and 7 more")):
        faults = [f"fault {one}" for one in range(number)]
        monkeypatch.setattr("vendoring.wrong_in", lambda *_, all_=faults: all_)
        _, said = ran(root, Commands(), "--check")
        assert "fault 19" in said
        assert "fault 20" not in said
        assert ("more" in said, end in said) == (bool(end), True)
        assert f"{number} faults" in said


@pytest.mark.parametrize(
    "python", [replace(OWN, version=(3, 12)), replace(OWN, implementation="PyPy")]
)
def test_another_python_is_refused_before_anything_is_done(root: Path, python: Interpreter) -> None:
    code, said = ran(root, Commands(), python=python)
    assert code == 2
    assert "failure-1" in said
    assert "python3.13 infra/hooks/package.py" in said
    assert "pyenv local 3.11 3.13" in said
    assert (root / FOLDER / "left").exists()


def test_a_clean_process_lists_the_functions(tmp_path: Path) -> None:
    text = """
import package_of_it, sys
class One:
    get_function_name = staticmethod(lambda: package_of_it.name)
class app:
    get_functions = staticmethod(lambda: [One])
assert not [folder for folder in sys.path if "site-packages" in folder]
"""
    tmp_path.joinpath("function_app.py").write_text(text, encoding="utf-8")
    tmp_path.joinpath("packages").mkdir()
    tmp_path.joinpath("packages", "package_of_it.py").write_text("name = 'f'", encoding="utf-8")
    code = [sys.executable, "-I", "-S", "-B", "-c", LIST_FUNCTIONS]
    done = run_command([*code, str(tmp_path), str(tmp_path / "packages")], {}, 60)
    assert (done.returncode, done.stdout) == (0, '["f"]\n')
