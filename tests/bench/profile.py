"""Where the daemons' time goes: one workload with both of them under cProfile.

cProfile makes calls look dearer than they are, so compare functions, not seconds.
"""

import pstats
from pathlib import Path

from .comparison import Comparison
from .load.figures import Scale
from .peer import R
from .peer_vsocks import profiled
from .scratch import scratch_directory
from .targets import serving_targets

TOP = 25


def run_profile(name: str, comparison: Comparison[R], scale: Scale, directory: Path) -> None:
    """Print the functions that cost most; the profiles stay in `directory` for other viewers."""
    directory.mkdir(parents=True, exist_ok=True)
    profiles = {side: directory / f"{name}-{side}.prof" for side in ("guest", "host")}
    peer = profiled(comparison.through, profiles["guest"], profiles["host"])
    with (
        serving_targets() as targets,
        scratch_directory() as scratch,
        peer(targets, scratch) as way,
    ):
        figures = comparison.workloads[name](way.routes, scale)
    for side, path in profiles.items():
        print(f"==== {side}, {name} ({path})")
        pstats.Stats(str(path)).strip_dirs().sort_stats("tottime").print_stats(TOP)
    print("with the profiler on:", {key: round(value, 3) for key, value in figures.items()})
