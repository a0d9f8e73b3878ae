"""How long a wrong command line takes to be refused, against a bare Hydra program.

python benchmarks/refusal.py: the ratio of whole processes, in pairs; the limit is 1.5.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from paired import measure, ratio

LIMIT = 1.5
ROUNDS = 15
BARE = """
import hydra
@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg): pass
main()
"""


def seconds_of(command, folder):
    def once():
        begun = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        spent = time.perf_counter() - begun
        assert done.returncode in (1, 2), done.stderr
        return spent

    return once


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "conf").mkdir()
        (Path(folder) / "conf" / "config.yaml").write_text("lr: 0.1\nseed: 0\n")
        (Path(folder) / "bare.py").write_text(BARE)
        bare = [sys.executable, "bare.py", "nokey=1"]
        ours = [sys.executable, "-m", "lenet_exp.run"]
        variants = {
            "bare": seconds_of(bare, folder),
            "bare again": seconds_of(bare, folder),
            "unknown key": seconds_of([*ours, "nokey=1"], folder),
            "unknown option": seconds_of([*ours, "precision=nope"], folder),
            "wrong type": seconds_of([*ours, "seed=x"], folder),
            "impossible value": seconds_of([*ours, "schedule.batch_size=0"], folder),
            "not driven yet": seconds_of([*ours, "hardware=ascend910"], folder),
        }
        seen = measure(variants, ROUNDS)
    worst = 0.0
    for name in list(variants)[1:]:
        found = ratio(seen[name], seen["bare"])
        print(f"refusing, {name} / bare Hydra's unknown key: {found}")
        worst = max(worst, found.high)
    print(f"limit {LIMIT}: {'met' if worst <= LIMIT else 'missed'}")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
