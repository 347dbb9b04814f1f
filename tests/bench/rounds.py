"""Rounds: every peer in turn, again and again, so that a slow minute of the machine hits all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .load.figures import Figures

Runner = Callable[[Figures], None]
"""Measures one peer once; it fills in the figures as it gets them, so that those before an error
are kept."""


@dataclass(slots=True)
class Results:
    """What came out, and what went wrong."""

    figures: dict[str, list[Figures]]
    """For each peer, the figures of each round."""
    failures: list[str] = field(default_factory=list)


def run_rounds(runners: Mapping[str, Runner], count: int) -> Results:
    """Run them all `count` times. A failure ends that peer's round only."""
    results = Results({name: [] for name in runners})
    for number in range(1, count + 1):
        for name, run in runners.items():
            print(f"round {number} of {count}: {name:7}", end="", flush=True)
            figures: Figures = {}
            results.figures[name].append(figures)
            try:
                run(figures)
            except Exception as error:  # whatever it was, the others are worth measuring
                results.failures.append(f"{name}, round {number}: {_explain(error)}")
                print(" FAILED", end="")
            print()
    return results


def _explain(error: Exception) -> str:
    notes: list[str] = getattr(error, "__notes__", [])
    return " ".join([f"{type(error).__name__}: {error}", *notes])
