"""Where things are, and the surroundings that everything started here shares."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
PROGRAMS = BENCHMARKS / "programs"
READERS = BENCHMARKS / "readers"
BUILD = BENCHMARKS / ".build"
TRACEES = ROOT / "tests" / "tracees"
TRACERCTL = (sys.executable, "-m", "tracerd.ctl")


def use_this_checkout() -> None:
    """Have all that is started import the tracerd that lies beside this directory."""
    former = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{former}" if former else str(ROOT)
