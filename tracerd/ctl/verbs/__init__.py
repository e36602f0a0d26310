"""One file per verb: `prepare(parser)` and `run(arguments)`; the docstring is the help text."""
