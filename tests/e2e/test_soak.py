"""Everything at once, for a few seconds; `python benchmarks/soak.py` does it for longer."""

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.alone
@pytest.mark.ptrace_case(31, 45)
def test_nothing_is_lost_leaked_or_left_stopped():
    words = [sys.executable, SOAK, "--seconds", "8"]
    done = subprocess.run(
        words, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
