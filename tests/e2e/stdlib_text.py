"""The real input: every line of every .py file of Python's own standard library, in path order, keyed by file name.

Several hundred thousand lines; some are empty, some long, many not ASCII. Bytes as they lie in the files.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

Line = tuple[bytes, bytes]


def stdlib_lines(limit: int | None = None) -> Iterator[Line]:
    """(file name, line without its newline) pairs; the first `limit` of them, or all."""
    root = Path(sysconfig.get_paths()["stdlib"])
    count = 0
    for path in sorted(p for p in root.rglob("*.py") if "site-packages" not in p.parts and "dist-packages" not in p.parts):
        name = str(path.relative_to(root)).encode()
        content = path.read_bytes()
        lines = content.split(b"\n")
        if lines and lines[-1] == b"":
            lines.pop()
        for line in lines:
            if count == limit:
                return
            count += 1
            yield name, line


if __name__ == "__main__":
    total = 0
    size = 0
    for _, text in stdlib_lines():
        total += 1
        size += len(text)
    print(f"{total} lines, {size} bytes")
