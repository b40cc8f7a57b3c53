"""A mining run on a local Ray cluster, killed: nothing of it lives on, and the same command goes on from there.

    python benchmarks/reliability/reliability_ray.py [--kills 2] [--seed 0] [--out FILE] [--quick]
    (default: benchmarks/results/reliability_ray.json)

One of the world's language models on `engine.kind=ray`, greedy, no pictures. The command is killed (SIGKILL) when a
share of its answers is kept and others are outstanding: answers come from the cluster in batches of 64, so there are
many more of them. What is counted: the seconds until no process of it or of its cluster is left, answers asked again
although they were kept, and rows that an undisturbed run would not have. A kill that came too late proves nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from benchmarks.quick import add_quick, target
from syntrans.contract.reading import read_descriptors
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text

RESULT = Path(__file__).parents[1] / "results" / "reliability_ray.json"
CONFIG = """\
llms: [{name: llm-a, path: "package:syntrans_world/weights/llm-a", licence: apache-2.0}]
clip: null
engine: {kind: ray, device: cpu, kv_gib: 0.25, args: {dtype: float32, max_model_len: 512, max_num_seqs: 16}}
propose: {prompts: [world_propose.v1], samples: 6, temperature: 0, max_tokens: 200, tries: 1}
"""
MARK = "SYNTRANS_RELIABILITY_RAY"
PATIENCE = 1800  # seconds for a run on a busy machine
LEFT_ALONE = 60  # seconds that processes are given to end


class Run:
    """`syntrans mine` into ``out``; its processes carry a mark that all their children inherit."""

    def __init__(self, root: Path, out: Path) -> None:
        self.out, self.mark = out, secrets.token_hex(8)
        # Ray's sockets need a short path; the program names of its servers hold it.
        self.scratch = Path(tempfile.mkdtemp(prefix=f"r{self.mark[:4]}", dir="/tmp"))
        env = {**os.environ, MARK: self.mark, "RAY_TMPDIR": str(self.scratch), "HF_HUB_OFFLINE": "1"}
        arguments = ["mine", "--classes", "world", "--config", str(root / "ray.yaml"), "--out", str(out)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "syntrans.cli.app", *arguments], env=env, stdout=subprocess.DEVNULL
        )

    def processes(self) -> list[str]:
        """The command lines of all that live."""
        pids = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    command = (folder / "cmdline").read_bytes()
                    marked = self.mark.encode() in (folder / "environ").read_bytes()
                    if (marked or str(self.scratch).encode() in command) and "\nState:\tZ" not in (
                        folder / "status"
                    ).read_text(encoding="utf-8"):
                        pids.append(command.replace(b"\0", b" ").decode(errors="replace")[:80])
        return pids

    def kill_at(self, answers: int) -> dict[str, Any]:
        """SIGKILL when so many answers are kept; how many processes it had, and how long the last one lived on."""
        deadline = time.monotonic() + PATIENCE
        while kept(self.out) < answers and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        n_processes = len(self.processes())
        hit = self.process.poll() is None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        began = time.monotonic()
        while (left := self.processes()) and time.monotonic() < began + LEFT_ALONE:
            time.sleep(0.05)
        seconds = round(time.monotonic() - began, 1)
        return {"hit": hit, "processes": n_processes, "seconds_until_gone": seconds, "left": left}

    def end(self) -> dict[str, Any]:
        """The report of a run that ends by itself."""
        if self.process.wait(timeout=PATIENCE):
            sys.exit(f"syntrans mine ended with {self.process.returncode}")
        report: dict[str, Any] = json.loads((self.out / "run.json").read_text(encoding="utf-8"))
        return report


def kept(out: Path) -> int:
    """Answers in the journal."""
    file = f"file:{out / 'journal.sqlite'}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM answers").fetchone()[0])
    return 0


def n_asked(report: dict[str, Any]) -> int:
    """Requests that models answered in the last leg of a run."""
    return sum(model["asked"] for stage in report["stages"].values() for model in stage["models"].values())


def as_promised(death: dict[str, Any]) -> bool:
    """Whether a kill found answers outstanding, left nothing alive, and cost no answer and no row."""
    return death["hit"] and not (death["left"] or death["asked_again"] > 0 or death["different"])


def rows(out: Path) -> list[dict[str, Any]]:
    """All rows."""
    return [row.model_dump() for row in read_descriptors(out / "descriptors.parquet")[0]]


def main() -> None:
    """Kill, go on, compare, write the result; ends with 1 if something is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    rng, outcomes = random.Random(given.seed), []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "ray.yaml").write_text(CONFIG)
        whole = Run(root, root / "whole").end()
        for number in range(1 if given.quick else given.kills):
            out = root / str(number)
            death = Run(root, out).kill_at(rng.randint(1, n_asked(whole) // 2))
            before = kept(out)
            again = Run(root, out).end()
            death["hit"] &= 0 < before < n_asked(whole)
            death |= {"kept": before, "asked_again": n_asked(again) + before - n_asked(whole)}
            death["different"] = rows(out) != rows(root / "whole")
            print(json.dumps(death), flush=True)
            outcomes.append(death)
    result = {
        "schema_version": 1,
        "command": f"python benchmarks/reliability/reliability_ray.py --kills {len(outcomes)} --seed {given.seed}",
        "machine": facts(artifacts_root()),
        "requests": n_asked(whole),
        "kills": outcomes,
    }
    atomic_write_text(target(given.out, RESULT, quick=given.quick), json.dumps(result, indent=2) + "\n")
    sys.exit(not all(as_promised(death) for death in outcomes))


if __name__ == "__main__":
    main()
