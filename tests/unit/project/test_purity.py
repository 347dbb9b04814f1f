"""The house: who may import whom, and what the guest daemon needs to run."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
PACKAGE = REPOSITORY / "vsocks"

#: The house, floor by floor, as docs/design.md draws it. A room is a folder, or a file at the top
#: of the package; it imports rooms of the floors below, and of its own floor none but itself.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["guest", "host"],
    ["mux"],
    ["proxy", "channel"],
    ["http1", "protocol", "policy", "audit", "control", "aio", "windows"],
    ["address", "errors", "reply", "dns_message", "token_bucket", "line_writer", "__init__"],
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
#: Bytes in, events out; no clock, no socket, no asyncio. All other rooms do I/O.
PURE_ROOMS = {"proxy", "http1", "protocol", "policy", "audit", "control", *FLOORS[-1]}

IMPURE = {"asyncio", "socket", "_socket", "select", "selectors", "time", "threading", "ssl"}


def module_files() -> dict[str, Path]:
    """The modules by their name below the package."""
    files = {path.relative_to(PACKAGE).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {
        ".".join(name.parts).removesuffix(".__init__"): path for name, path in sorted(files.items())
    }


MODULES = module_files()
PURE = [name for name in MODULES if name.partition(".")[0] in PURE_ROOMS]


def imported(path: Path, *, types_too: bool = True) -> set[str]:
    """The full names of all that a file imports, anywhere in it."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    skipped = set() if types_too else set(inside_type_checking(tree))
    for node in set(ast.walk(tree)) - skipped:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.update(origin(node.module or "", alias.name) for alias in node.names)
    return names


def origin(module: str, name: str) -> str:
    """The module that ``from module import name`` needs: ``name`` may be one itself."""
    full_name = f"{module}.{name}"
    return full_name if full_name.removeprefix("vsocks.") in MODULES else module


def inside_type_checking(tree: ast.AST) -> Iterator[ast.AST]:
    """What isn't there when the program runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from ast.walk(node)


def own_imports(module: str, *, types_too: bool = True) -> set[str]:
    """The modules of vsocks that a module imports, by their name below the package."""
    names = imported(MODULES[module], types_too=types_too)
    return {name.removeprefix("vsocks.") for name in names} & set(MODULES)


def room_of(module: str) -> str:
    room = module.partition(".")[0]
    assert room in FLOOR_OF, f"{module} has no place in FLOORS"
    return room


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_down_only(module: str) -> None:
    room = room_of(module)
    for other in own_imports(module):
        below = room_of(other)
        # Files at the top may know each other; folders on one floor may not.
        beside = FLOOR_OF[room] == FLOOR_OF[below] == len(FLOORS) - 1
        assert room == below or beside or FLOOR_OF[room] < FLOOR_OF[below], (
            f"{module} imports {other}, which is not below it"
        )


def test_the_design_draws_these_floors() -> None:
    """Between the fences behind "The house": a line a floor, and which of its rooms are pure."""
    design = (REPOSITORY / "docs" / "design.md").read_text()
    drawing = design.partition("## The house")[2].split("```")[1].splitlines()
    floors: list[list[str]] = []
    pure: set[str] = set()
    for line in filter(None, map(str.strip, drawing)):
        names = [word for word in line.split() if word.endswith(("/", "*", "__"))]
        floors.append([name.rstrip("/*") for name in names])
        pure.update(name.rstrip("/*") for name in names if name.endswith("*"))
    expected = [[room for room in floor if room != "__init__"] for floor in FLOORS]
    assert floors == expected
    assert pure == PURE_ROOMS - {"__init__"}


def test_imports_make_no_circle() -> None:
    """But for imports of types alone."""
    graph = {module: own_imports(module, types_too=False) for module in MODULES}
    assert graph["guest.daemon"]
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", PURE)
def test_the_core_names_nothing_impure(module: str) -> None:
    names = {name.partition(".")[0] for name in imported(MODULES[module])}
    assert not names & IMPURE


def python(code: str, *arguments: str) -> str:
    """What a fresh Python prints which sees the standard library and vsocks, nothing else."""
    program = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{code}"
    # -I: nothing from the environment or the working directory; -S: no site-packages.
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not result.returncode, result.stderr
    return result.stdout


#: Imports the modules given and prints what came with them. A built-in such as time is there
#: from the start, so it is taken away before, to see whether it comes back.
LOADED = """
for name in sys.argv[1].split(","):
    sys.modules.pop(name, None)
before = set(sys.modules)
for name in sys.argv[2:]:
    __import__(name)
print(*set(sys.modules) - before)
"""


def loaded_by(*modules: str) -> set[str]:
    return set(python(LOADED, ",".join(IMPURE), *modules).split())


def test_the_core_loads_nothing_impure() -> None:
    loaded = loaded_by(*(f"vsocks.{module}" for module in PURE))
    assert {f"vsocks.{module}" for module in PURE} <= loaded
    assert not loaded & IMPURE


def test_what_is_above_the_core_is_seen_to_be_impure() -> None:
    """So the test before this one can fail."""
    assert {"asyncio", "socket", "time", "threading"} <= loaded_by("vsocks.mux.link")


def test_the_guest_loads_the_standard_library_only() -> None:
    """It runs from a bare copy of the folder."""
    port = "windows" if sys.platform == "win32" else "virtio"
    loaded = loaded_by("vsocks.guest.daemon", "vsocks.cli.main", f"vsocks.channel.{port}")
    loaded |= loaded_by("vsocks.channel.sockets", "vsocks.channel.lock", "vsocks.__main__")
    tops = {name.partition(".")[0] for name in loaded}
    assert tops - {"vsocks"} <= sys.stdlib_module_names


def test_there_is_nothing_but_the_standard_library() -> None:
    """So the test before this one can fail: pyserial is installed, but out of sight."""
    look = "import importlib.util as u; print(u.find_spec('serial'), u.find_spec('asyncio'))"
    absent, present = python(look).split(maxsplit=1)
    assert absent == "None"
    assert "asyncio" in present


def test_the_windows_program_needs_nothing_that_is_left_out_of_it() -> None:
    """harness/exe/vsocks-guest.spec leaves out the host daemon and its rules."""
    only_for_the_host = {
        "cli.attach",
        "cli.control",
        "cli.host_options",
        "cli.host_run",
        "cli.host_setup",
        "cli.top",
    }  # imported when that is to run
    needed: set[str] = set()
    to_do = ["cli.windows_main"]
    while to_do:
        module = to_do.pop()
        if module not in needed | only_for_the_host:
            needed.add(module)
            to_do += own_imports(module, types_too=False)
    assert "guest.daemon" in needed
    assert {room_of(module) for module in needed}.isdisjoint({"host", "policy"})
