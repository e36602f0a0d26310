"""Which files a program touched, how, and by which of its processes.  Pure."""
