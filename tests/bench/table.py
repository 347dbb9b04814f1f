"""Results as a Markdown table: medians of the rounds, ratios, aims."""

from collections.abc import Mapping, Sequence
from statistics import median

from .load.figures import Figures
from .metrics import Metric, Ratio
from .rounds import Results

NOTHING = "-"

NOTE = """\
MB and GB count in thousands. CPU is user and system time of all the peer's daemons, memory the sum
of their largest resident sizes. Each figure is the median of the rounds; the ratio is that of the
medians, in brackets the least and greatest of single rounds."""


def markdown(results: Results, metrics: Sequence[Metric], ratios: Sequence[Ratio]) -> str:
    """The table, and below it what failed. The aims are those of the first ratio."""
    peers = list(results.figures)
    shown = [ratio for ratio in ratios if ratio.ours in peers and ratio.theirs in peers]
    aimed = shown[:1] == list(ratios[:1]) and any(metric.aim for metric in metrics)
    rows = [["", "", *peers, *map(str, shown), *(["aim", ""] if aimed else [])]]
    for metric in metrics:
        medians = medians_of(metric, results)
        if medians:
            row = [metric.name, metric.unit, *(_number(medians.get(peer)) for peer in peers)]
            row += [_compared(metric, results, ratio) for ratio in shown]
            rows.append(row + ([metric.aim, _verdict(metric, medians, shown[0])] if aimed else []))
    failures = [f"FAILED {failure}" for failure in results.failures]
    return "\n\n".join([_aligned(rows), *failures])


def medians_of(metric: Metric, results: Results) -> dict[str, float]:
    """Of each peer that has been measured."""
    values = {
        peer: [figures[metric.name] for figures in rounds if metric.name in figures]
        for peer, rounds in results.figures.items()
    }
    return {peer: median(found) for peer, found in values.items() if found}


def _compared(metric: Metric, results: Results, ratio: Ratio) -> str:
    medians = medians_of(metric, results)
    if not _comparable(medians, ratio):
        return NOTHING
    value = medians[ratio.ours] / medians[ratio.theirs]
    spread = _spread(metric, results.figures[ratio.ours], results.figures[ratio.theirs])
    return f"{value:.2f} {spread}".rstrip()


def _verdict(metric: Metric, medians: Mapping[str, float], ratio: Ratio) -> str:
    if not _comparable(medians, ratio):
        return ""
    return metric.verdict(medians[ratio.ours] / medians[ratio.theirs])


def _comparable(figures: Mapping[str, float], ratio: Ratio) -> bool:
    """Whether both have a figure, and theirs isn't 0, as a loss may be."""
    return ratio.ours in figures and bool(figures.get(ratio.theirs))


def _spread(metric: Metric, ours: Sequence[Figures], theirs: Sequence[Figures]) -> str:
    ratios = [
        one[metric.name] / other[metric.name]
        for one, other in zip(ours, theirs, strict=True)
        if metric.name in one and other.get(metric.name)
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
