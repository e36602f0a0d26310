"""`python -m tracerd`: the daemon."""

from __future__ import annotations

import sys

from tracerd.server.main import main

if __name__ == "__main__":
    sys.exit(main())
