"""Events as lines a person reads.  Pure: no files, no terminal, no clock."""
