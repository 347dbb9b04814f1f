"""Each key and each entry of a list is found in the line where it stands."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.cli.toml_lines import Path, lines_of

pytestmark = pytest.mark.unit

TEXT = r'''# 1
a = 1
"b.c" . d = "x = [ # no"
l = [ # 4
  "a", # , 5
  """b
  \""",""", 'c]'
  , [1,2], {x = 1},
]
m = []

[machine."w b"] # 12
rules = ["deny *",
  "allow x"]
s = """
[no]
k = 2
\\""" # 18
t = 3
[[arr]]
z.y = {a = 1, b = [1]}'''

EXPECTED = {
    ("a",): 2,
    ("b.c",): 3,
    ("b.c", "d"): 3,
    ("l",): 4,
    ("l", "0"): 5,
    ("l", "1"): 6,
    ("l", "2"): 7,
    ("l", "3"): 8,
    ("l", "4"): 8,
    ("m",): 10,
    ("machine", "w b"): 12,
    ("machine", "w b", "rules"): 13,
    ("machine", "w b", "rules", "0"): 13,
    ("machine", "w b", "rules", "1"): 14,
    ("machine", "w b", "s"): 15,
    ("machine", "w b", "t"): 19,
    ("arr",): 20,
    ("arr", "z"): 21,
    ("arr", "z", "y"): 21,
}


def test_lines_of_all_forms() -> None:
    assert tomllib.loads(TEXT), "it is no TOML itself"
    lines = lines_of(TEXT)
    assert {path: line for path, line in lines.items() if path in EXPECTED} == EXPECTED
    assert ("machine", "w b", "k") not in lines


SCALARS = st.sampled_from(
    ["1", '"a = 1"', "'# ['", '"\\"]"', '"""\n[x]\n"""', "'''\n=\n'''", "true", "1.5", '""']
)
LISTS = st.lists(SCALARS, max_size=4).map(lambda each: "[\n" + " , # ]\n".join(each) + "\n]")
VALUES = st.one_of(SCALARS, LISTS)


@given(st.lists(st.tuples(st.sampled_from(["", "# [c]", "[t{}]"]), VALUES), max_size=8))
def test_any_file_has_the_line_of_every_key(entries: list[tuple[str, str]]) -> None:
    text = ""
    table: Path = ()
    expected: dict[Path, int] = {}
    for number, (before, value) in enumerate(entries):
        if before:
            text += f"{before.format(number)}\n"
        table = (f"t{number}",) if before.startswith("[") else table
        path: Path = (*table, f"k{number}")
        expected[path] = text.count("\n") + 1
        text += f"k{number} = {value} # end\n"
    assert tomllib.loads(text) is not None
    lines = lines_of(text)
    assert {path: lines.get(path) for path in expected} == expected
