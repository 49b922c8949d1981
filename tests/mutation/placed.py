#!/usr/bin/env python3
"""placed.py <root>: fails if the text of a fault of faults.py is not in its file exactly once."""

import pathlib
import sys

from faults import FAULTS


def occurrences(path, text):
    return path.read_text().count(text) if path.is_file() else 0


def check(root, faults):
    if stale := [f"{file}: {name}" for name, file, old, _ in faults if occurrences(root / file, old) != 1]:
        sys.exit("not exactly once in its file:\n" + "\n".join(stale))


if __name__ == "__main__":
    check(pathlib.Path(sys.argv[1]), FAULTS)
