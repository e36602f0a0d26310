"""The kernel side: the tracer thread, tracee states, decoding.  Knows no sockets and no trio."""
