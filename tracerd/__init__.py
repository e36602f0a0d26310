"""tracerd: the one tracer that everyone shares.

`tracerd.client` is what a script imports; `tracerd.protocol` holds the event
types; the daemon lives in `tracerd.server` and `tracerd.core`.
"""

__version__ = "0.1.0"
