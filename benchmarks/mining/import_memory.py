"""How much memory an import takes: rows of one length as JSON lines, as one JSON object, and a class to each line.

Usage: python benchmarks/mining/import_memory.py [ROWS] [--quick]       (default: 1000000)

Each form is imported in a process of its own, which says its peak resident memory; the file has about 140 bytes a row,
and 1,000 classes in the first two. Exit code 1 if a million rows of any take 1 GB or more; of fewer rows, what they
add to an import of one row is counted, of the first two: caches of 65,536 names weigh as much as the classes of fewer.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.quick import add_quick
from syntrans.descriptors.importers import import_descriptions

LIMIT_BYTES = 1_000  # a row
FORMS = {"jsonl": "jsonl", "cupl": "cupl", "classes": "jsonl"}
"""What is measured -> the format of its file."""
CLASSES = 1_000
SENTENCE = (
    "It has part {} in a shade of colour {}, and its tail, which is long and forked, has a band of pale feathers."
)


def write(path: Path, form: str, rows: int) -> None:
    """A source of ``rows`` descriptions, no two alike; little of it in memory, which a new process would inherit."""
    with path.open("w", encoding="utf-8") as file:
        classes = rows if form == "classes" else min(CLASSES, rows)
        for number in range(classes):
            name = f"class {number}"
            texts = [SENTENCE.format(row, row * 7919 % 100_003) for row in range(number, rows, classes)]
            if FORMS[form] == "jsonl":
                file.writelines(json.dumps({"class": name, "text": text, "author": "me"}) + "\n" for text in texts)
            else:
                file.write(f"{', ' if number else '{'}{json.dumps(name)}: {json.dumps(texts)}")
        file.write("" if FORMS[form] == "jsonl" else "}")


def measure(path: Path, form: str) -> dict[str, float]:
    """Import a file in this process; peak memory in bytes before and after, processor seconds, and what was written."""
    with tempfile.TemporaryDirectory() as folder:
        (first := Path(folder) / "first.jsonl").write_text('{"class": "a", "text": "it is red"}\n')
        import_descriptions([first], Path(folder) / "first")  # what any import loads
        before, start = peak(), time.process_time()
        done = import_descriptions([path], Path(folder) / "out", formats=[FORMS[form]])
    return {"rows": done.n_rows, "seconds": round(time.process_time() - start, 1), "before": before, "peak": peak()}


def peak() -> int:
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Write and import each form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--one", nargs=2, metavar=("FILE", "FORM"), help="measure the import in this process")
    add_quick(parser)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(Path(given.one[0]), given.one[1])))
        return 0
    rows, too_much = 100 if given.quick else given.rows, False
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            write(path := Path(folder) / "source.json", form, rows)
            command = [sys.executable, __file__, "--one", str(path), form]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            row = (done["peak"] - done["before"]) / rows
            counted = rows >= 1_000_000 or (form != "classes" and not given.quick)
            too_much |= counted and row + done["before"] / 1e6 >= LIMIT_BYTES
            megabytes = {"file_mb": path.stat().st_size, "peak_mb": done["peak"]}
            shown = {name: round(value / 1e6) for name, value in megabytes.items()}
            print(json.dumps({"form": form, **done, **shown, "bytes_a_row": round(row)}), flush=True)
    return int(too_much)


if __name__ == "__main__":
    raise SystemExit(main())
