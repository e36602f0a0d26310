"""The protocol: bytes to messages and events to filters.  Pure: no I/O, no clock, no threads."""
