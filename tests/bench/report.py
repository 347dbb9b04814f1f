"""The report of a run: printed, and written as Markdown for people and JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .metrics import Metric, Ratio
from .rounds import Results
from .table import NOTE, markdown, medians_of


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison."""

    title: str
    results: Results
    metrics: Sequence[Metric]
    ratios: Sequence[Ratio]
    facts: Mapping[str, str]
    """What is to be known about how it was done."""


def write_report(parts: Sequence[Part], machine: Mapping[str, str], output: Path) -> None:
    """Print it and write it to `output` with the suffixes .md and .json."""
    text = _text(parts, machine)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".md").write_text(text)
    output.with_suffix(".json").write_text(_data(parts, machine))
    print(f"\n{text}\nwritten to {output.with_suffix('.md')} and {output.with_suffix('.json')}")


def _text(parts: Sequence[Part], machine: Mapping[str, str]) -> str:
    blocks = ["# How fast vsocks is", _list(machine)]
    for part in parts:
        table = markdown(part.results, part.metrics, part.ratios)
        blocks += [f"## {part.title}", _list(part.facts), table]
    return "\n\n".join([*blocks, NOTE]) + "\n"


def _data(parts: Sequence[Part], machine: Mapping[str, str]) -> str:
    """The medians and every single round."""
    content = {
        part.title: {
            "facts": part.facts,
            "medians": {it.name: medians_of(it, part.results) for it in part.metrics},
            "rounds": part.results.figures,
            "failures": part.results.failures,
        }
        for part in parts
    }
    return json.dumps({"machine": machine, **content}, indent=2) + "\n"


def _list(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())
