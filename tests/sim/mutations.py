"""`python -m tests.sim.mutations [NAME …]`: the checkers, checked.

Each mutation is a mistake that somebody could make: one change of the text of one file. It is made in a copy of the
repository, in a temporary folder, and one of the simulated worlds has to notice within so many seeds. Without a mutation
the same worlds have to find nothing. The exit code is 1 if a mistake goes unnoticed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MUTATIONS", "Mutation", "apply", "trial"]

ROOT = Path(__file__).parents[2]
COPIED = ("coord", "tests/sim")
TRIAL_SECONDS = 600.0
FOUND = {127, 128, 129}


@dataclass(frozen=True, slots=True)
class Mutation:
    """name: what goes wrong. old occurs once in the file at path, and becomes new. arguments: of `python -m tests.sim`."""

    name: str
    path: str
    old: str
    new: str
    arguments: str


CORE = "--world core --count 300"
STEPS = "--world core --count 300 --nodes 3 --faults step,slow_disk"
MUTATIONS = (
    Mutation(
        "ACK before sync",
        "coord/zab/learner.py",
        "        self._log(message.entries, out)\n\n    def _commits",
        "        self._log(message.entries, out)\n"
        "        if self.phase is Phase.SERVING:\n"
        "            out.send.append((self.link, encode_acks(zxid for zxid, _ in message.entries)))\n\n"
        "    def _commits",
        CORE,
    ),
    Mutation(
        "commit without quorum",
        "coord/zab/quorums.py",
        "return reached_by[middle] if middle < len(reached_by) else -1",
        "return reached_by[0] if reached_by else -1",
        CORE,
    ),
    Mutation(
        "epoch not persisted",
        "coord/zab/learner.py",
        "ledger.accepted_epoch = out.accepted_epoch = epoch",
        "ledger.accepted_epoch = epoch",
        CORE,
    ),
    Mutation(
        "TRUNC skipped",
        "coord/zab/learner.py",
        "self.ledger.rewind(packet.zxid, out)",
        "pass",
        CORE,
    ),
    Mutation(
        "sync of a history that is cut off counted",
        "coord/zab/peer.py",
        "        if out.rewind is not None or out.save:\n            return",
        "        if out.rewind is None and out.save:\n            return",
        "--world core --count 300 --faults slow_disk,cut,step",
    ),
    Mutation(
        "currentEpoch before transactions",
        "coord/zab/learner.py",
        "if self.saving or ledger.synced < self._newleader_needs:",
        "if self.saving:",
        CORE,
    ),
    Mutation(
        "transactions invented",
        "coord/zab/broadcast.py",
        "        self._ledger.append(batch, out)\n",
        "        batch = [(zxid, data if zxid % 7 else b'invented %d' % zxid) for zxid, data in batch]\n"
        "        self._ledger.append(batch, out)\n",
        CORE,
    ),
    Mutation(
        "promised epochs ignored",
        "coord/zab/leader.py",
        "        self.ledger.highest_promise = max(self.ledger.highest_promise, accepted)\n",
        "        accepted = 0\n",
        CORE,
    ),
    Mutation(
        "promise counted twice",
        "coord/zab/learner.py",
        "        current = -1\n        if epoch > ledger.accepted_epoch:\n            current = ledger.current_epoch\n",
        "        current = ledger.current_epoch\n        if epoch > ledger.accepted_epoch:\n",
        CORE,
    ),
    Mutation(
        "who is ahead of the leader not refused",
        "coord/zab/leader.py",
        "if (current, packet.zxid) > own:",
        "if False:",
        STEPS,
    ),
    Mutation(
        "who is ahead of the leader refused by its epoch alone",
        "coord/zab/leader.py",
        "if (current, packet.zxid) > own:",
        "if current > own[0]:",
        STEPS,
    ),
    Mutation(
        "committed while it joined, not acknowledged",
        "coord/zab/learner.py",
        "        self._enter(Phase.WAITING, now)\n        if self.role is Role.FOLLOWING:\n",
        "        self._enter(Phase.WAITING, now)\n        self._acked = max(self._committed, first_of(self.epoch))\n"
        "        if self.role is Role.FOLLOWING:\n",
        CORE,
    ),
    Mutation(
        "watch after reply",
        "coord/server/pipeline.py",
        "            if applied.events:\n"
        "                self._notify(applied)\n"
        "            if pending is not None:\n"
        "                turns.complete(pending, applied, now)\n",
        "            if pending is not None:\n"
        "                turns.complete(pending, applied, now)\n"
        "            if applied.events:\n"
        "                self._notify(applied)\n",
        "--world trio --count 5 --nodes 3",
    ),
    Mutation(
        "reply before commit",
        "coord/zab/standalone.py",
        "self.ledger.append(event.batch, out)",
        "self.ledger.append(event.batch, out)\n"
        "                self.ledger.deliver_to(self.ledger.logged, out)",
        "--world trio --count 20 --nodes 1 --faults crash",
    ),
    Mutation(
        "log not synced",
        "coord/store/storage.py",
        "self.log.start_sync(partial(self._synced, trio.current_time(), done))",
        "done(None)",
        "--world trio --count 20 --nodes 1 --faults crash",
    ),
    Mutation(
        "name of a log not synced",
        "coord/store/txnlog.py",
        "        file.write_at(0, HEADER)\n        self._disk.sync_dir(self.folder)\n",
        "        file.write_at(0, HEADER)\n",
        "--world trio --count 20 --nodes 1 --faults crash",
    ),
    Mutation(
        "snapshot without fsync",
        "coord/store/snapshot.py",
        "                await trio.lowlevel.checkpoint()\n        await file.sync()\n",
        "                await trio.lowlevel.checkpoint()\n",
        "--world trio --count 40 --nodes 3 --faults crash,rot",
    ),
    Mutation(
        "sync answered without the leader",
        "coord/server/pipeline.py",
        "            self._syncs.append(pending)\n            self.replication.sync(request)\n        if batch:",
        "            self._syncs.append(pending)\n            self.syncs_done(1)\n        if batch:",
        "--world trio --count 20 --nodes 3 --faults lag,reset",
    ),
    Mutation(
        "sync answered without a quorum",
        "coord/zab/syncs.py",
        "waiting[0][0] <= self._ledger.delivered and waiting[0][1] <= confirmed",
        "waiting[0][0] <= self._ledger.delivered",
        "--world core --count 300 --faults pause",
    ),
    Mutation(
        "read before the session's own writes",
        "coord/server/connection.py",
        "if op in LOCAL and not waiting:",
        "if op in LOCAL:",
        "--world trio --count 5 --nodes 3",
    ),
    Mutation(
        "sessions of learners not touched",
        "coord/server/pipeline.py",
        "            self._decisions.touch(sessions)\n",
        "            pass\n",
        "--world trio --count 10 --nodes 3 --faults stop",
    ),
    Mutation(
        "expired sessions not closed",
        "coord/server/pipeline.py",
        "                self._decisions.expire(trio.current_time())\n",
        "                pass\n",
        "--world trio --count 10 --nodes 3 --faults stop",
    ),
)


def apply(mutation: Mutation, root: Path) -> None:
    """Changes the copy at `root`. Raises ValueError when the text is not there once."""
    file = root / mutation.path
    text = file.read_text()
    count = text.count(mutation.old)
    if count != 1:
        raise ValueError(f"{mutation.name}: {mutation.path} has its text {count} times; the mutation must follow the code")
    file.write_text(text.replace(mutation.old, mutation.new))


def trial(mutation: Mutation | None, arguments: str) -> tuple[int, str]:
    """Runs a world on a mutated copy; returns its exit code, and in a line what it found."""
    with tempfile.TemporaryDirectory(prefix="quorate-mutation-") as folder:
        root = Path(folder)
        for name in COPIED:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        if mutation is not None:
            apply(mutation, root)
        command = [sys.executable, "-m", "tests.sim", *arguments.split()]
        environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False
        )
    return done.returncode, _found(done.stdout + done.stderr)


def _found(output: str) -> str:
    seed = re.search(r"--seed (\d+)", output)
    kind = re.search(r"^\S*\b(Violation|NotConverged|NodeFailed|\w*Error): (.*)", output, re.M)
    text = f"{kind[1]}: {kind[2]}" if kind else output.strip().rpartition("\n")[2]
    return f"seed {seed[1] if seed else '?'}: {text[:150]}"


def main() -> int:
    """All mutations, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutations")
    parser.add_argument("names", nargs="*", help="parts of the names of mutations")
    parser.add_argument("--control", action="store_true", help="run the same worlds without a mutation, too")
    options = parser.parse_args()
    unnoticed = 0
    for mutation in MUTATIONS:
        if options.names and not any(name in mutation.name for name in options.names):
            continue
        began = time.monotonic()
        code, found = trial(mutation, mutation.arguments)
        verdict = "caught" if code in FOUND else "UNNOTICED"
        unnoticed += code not in FOUND
        print(f"{verdict:9} {mutation.name}: {found} ({time.monotonic() - began:.0f} s)", flush=True)
    if options.control:
        for arguments in sorted({mutation.arguments for mutation in MUTATIONS}):
            code, found = trial(None, arguments)
            unnoticed += code != 0
            print(f"{'clean' if code == 0 else 'NOT CLEAN'} {arguments}: {found}", flush=True)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
