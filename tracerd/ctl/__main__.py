"""`python -m tracerd.ctl` is tracerctl."""

from __future__ import annotations

import sys

from tracerd.ctl.main import main

sys.exit(main())
