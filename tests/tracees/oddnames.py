"""Provokes: file names that are not text.

oddnames.py DIR: for each odd name makes the file in DIR, reads it, renames it to an equally odd
name and deletes that.  Prints for each name the JSON line {"name", "renamed"}, both base64 of
the bytes below DIR.
"""

import base64
import json
import os
import sys

NAMES = (
    b"new\nline",
    b"\nmode: write, file: forged, syscall: open(), PID: 1, process: forged",
    b"esc\x1b[31mred\x1b[0m\x1b]0;title\x07",
    b"not-utf8-\xff\xfe",
    b"half-a-character-\xe2\x82",
    "letters-äöü-\u202e-right-to-left".encode(),
    b"back\\slash \"quotes' $(touch pwned) `x` %s {} \t\r",
    b"-o",
    b" ",
    b"\x01\x02\x7f\x80\xa0",
    b"x" * 255,
    b"\xff" * 255,
)


def renamed(name: bytes) -> bytes:
    """Return another name, as odd and no longer than a name may be."""
    return (b"2" + name)[:255]


def main() -> None:
    """Make, read, rename and delete each."""
    directory = os.fsencode(sys.argv[1])
    for name in NAMES:
        old, new = directory + b"/" + name, directory + b"/" + renamed(name)
        os.close(os.open(old, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        os.close(os.open(old, os.O_RDONLY))
        os.rename(old, new)
        os.unlink(new)
        both = {"name": name, "renamed": renamed(name)}
        print(json.dumps({key: base64.b64encode(value).decode() for key, value in both.items()}))


if __name__ == "__main__":
    main()
