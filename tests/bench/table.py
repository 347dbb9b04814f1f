"""The results as a Markdown table and as JSON: medians of the rounds, ratios, aims."""

import json
from collections.abc import Mapping, Sequence
from statistics import median

from .load.workloads import Figures
from .metrics import METRICS, Metric
from .rounds import Results

OURS = "vsocks"
THEIRS = "ssh"

NOTHING = "-"

NOTE = """\
MB/s and GB count in thousands; CPU is user and system time of all the peer's daemons, memory the
sum of their largest resident sizes. Each figure is the median of the rounds; the ratio is that of
the medians, and in brackets the least and greatest of single rounds."""


def markdown(results: Results, machine: Mapping[str, str]) -> str:
    """What a reader wants to see."""
    peers = list(results.figures)
    compared = OURS in peers and THEIRS in peers
    head = ["", "", *peers, *([f"{OURS}/{THEIRS}", "aim", ""] if compared else [])]
    rows = [_row(metric, results, compared=compared) for metric in METRICS]
    parts = [
        "\n".join(f"- {name}: {value}" for name, value in machine.items()),
        _aligned([head, *(row for row in rows if row)]),
        NOTE,
        *(f"FAILED {failure}" for failure in results.failures),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(results: Results, machine: Mapping[str, str]) -> str:
    """Everything, every round."""
    medians = {
        peer: {metric.name: value for metric in METRICS if (value := _median(metric, rounds))}
        for peer, rounds in results.figures.items()
    }
    content = {
        "machine": machine,
        "medians": medians,
        "rounds": results.figures,
        "failures": results.failures,
    }
    return json.dumps(content, indent=2) + "\n"


def _row(metric: Metric, results: Results, *, compared: bool) -> list[str]:
    """The cells of a line; none if nobody measured it."""
    medians = {peer: _median(metric, rounds) for peer, rounds in results.figures.items()}
    if not any(medians.values()):
        return []
    row = [metric.name, metric.unit, *(_number(value) for value in medians.values())]
    if compared:
        ours, theirs = medians[OURS], medians[THEIRS]
        if not ours or not theirs:
            return [*row, NOTHING, metric.aim, ""]
        verdict = "yes" if metric.reached(ours / theirs) else "NO"
        spread = _spread(metric, results.figures[OURS], results.figures[THEIRS])
        row += [f"{ours / theirs:.2f} {spread}", metric.aim, verdict if metric.aim else ""]
    return row


def _median(metric: Metric, rounds: Sequence[Figures]) -> float | None:
    values = [figures[metric.name] for figures in rounds if metric.name in figures]
    return median(values) if values else None


def _spread(metric: Metric, ours: Sequence[Figures], theirs: Sequence[Figures]) -> str:
    ratios = [
        one[metric.name] / other[metric.name]
        for one, other in zip(ours, theirs, strict=True)
        if metric.name in one and metric.name in other
    ]
    return f"({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads well unrendered, too."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in (rows[0], rule, *rows[1:])
    )
