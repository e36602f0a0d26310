"""What can go wrong in a measurement."""

from __future__ import annotations


class MeasurementError(Exception):
    """Something failed or gave a result that cannot be; the text has what it said."""


class OverLimitError(Exception):
    """It took longer than the limit and was killed."""


class UnavailableError(Exception):
    """It cannot be measured here; the text says why.  Never a fault."""
