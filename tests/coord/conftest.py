"""Puts the repository on the import path, so that tests share the simulated world: `from tests.sim.disk import SimDisk`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
