"""What the measurements share: the load generators, the originals' launchers, medians and ratios.

Ours and the original run in turn, A B A B …, on the same machine in the same run; quote the medians and the ratio.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


def compiled(source: str, *libraries: str) -> Path:
    """The load generator built from `source`; exits with what to install when that fails."""
    target = Path(tempfile.gettempdir()) / f"quorate-bench-{source}"
    command = ["cc", "-O2", "-o", str(target), str(HERE / f"{source}.c"), *libraries, "-lpthread"]
    if shutil.which("cc") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        sys.exit(f"{source}.c does not compile: apt-get install gcc libc6-dev librdkafka-dev")
    return target


def launcher(name: str, *arguments: str) -> str:
    """Runs one of the launchers of the originals and returns what it printed."""
    result = subprocess.run([str(HERE / name), *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode:
        sys.exit(result.stderr.strip() or f"{name} {' '.join(arguments)} failed")
    return result.stdout.strip()


@dataclass
class Pair:
    """One figure of ours beside the original's, over several rounds."""

    title: str
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def line(self) -> str:
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return (
            f"{self.title:<44} ours {ours:>12,.1f}  original {theirs:>12,.1f} {self.unit:<12} "
            f"ratio {ours / theirs if theirs else float('nan'):5.2f}"
        )


def summary(title: str, values: Sequence[float], unit: str) -> str:
    """median (min to max) of one figure."""
    return f"{title:<44} median {statistics.median(values):,.3f}  worst {max(values):,.3f}  best {min(values):,.3f} {unit}"
