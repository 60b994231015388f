"""Print the longest functions and files, so that the tail of their sizes stays in sight."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHOWN = 5


def main() -> int:
    """Print both lists; return the exit code."""
    sources = {
        path.relative_to(ROOT): path.read_text()
        for path in sorted((ROOT / "fhir_server").rglob("*.py"))
    }
    files = [(len(text.splitlines()), str(path)) for path, text in sources.items()]
    _print("functions", [each for path, text in sources.items() for each in _functions(path, text)])
    _print("files", files)
    return 0


def _functions(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield each function's length in lines and its place."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            yield length, f"{path}:{node.lineno} {node.name}"


def _print(what: str, measured: list[tuple[int, str]]) -> None:
    sys.stdout.write(f"longest {what}, in lines:\n")
    for length, place in sorted(measured, reverse=True)[:SHOWN]:
        sys.stdout.write(f"  {length:4}  {place}\n")


if __name__ == "__main__":
    sys.exit(main())
