"""lenet-exp VERB ..., the same as python -m lenet_exp.VERB ..."""

from __future__ import annotations

import runpy
import sys
from typing import Optional, Sequence

from lenet_exp.config.cli import versions
from lenet_exp.errors import end_quietly

VERBS = {
    "run": "train once, or sweep with -m",
    "explain": "show what a precision mode does to every operator, of LeNet or of any graph",
    "diagnose": "which operator a precision mode makes wrong, and by how much",
    "advise": "which mode, loss scale and float32 operators to train a network with",
    "sweep": "how far a sweep is, from any host",
    "compare": "which configuration of a sweep trains best, and how sure that is",
    "export": "freeze a trained run into a .pb and a SavedModel",
    "predict": "print which digits a trained network sees in pictures",
    "modelzoo": "train by the command line of the ModelZoo, and leave its files",
    "script": "run anybody's TensorFlow or npu_bridge script under a precision mode, on a CPU",
    "rerun": "repeat a recorded run, and say whether the same bits came out",
    "upload": "tell the tracking store of a run that it lacks",
    "doctor": "say what this machine lacks for a run, and the remedy",
    "fetch_mnist": "put the four verified MNIST files into the cache",
}


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a verb as its module would run; return the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if "-sc" in arguments[:2]:  # of a verb too: Hydra's own knows no verbs
        from lenet_exp import completion  # noqa: PLC0415 - Hydra

        return completion.main(arguments[arguments.index("-sc") + 1 :], VERBS)
    if arguments and arguments[0] in VERBS:
        end_quietly()  # until the verb is imported
        sys.argv = [f"lenet-exp {arguments[0]}", *arguments[1:]]
        runpy.run_module(f"lenet_exp.{arguments[0]}", run_name="__main__", alter_sys=False)
        return 0
    if arguments == [versions.FLAG]:
        return versions.show()
    wants_help = arguments in ([], ["-h"], ["--help"])
    lines = [f"  lenet-exp {verb} ...  {text}" for verb, text in VERBS.items()]
    lines.append("  lenet-exp --version  this version, TensorFlow's, MLflow's and Hydra's")
    lines.append('  eval "$(lenet-exp -sc install=bash)"  completion; also zsh, fish')
    if not wants_help:
        lines.insert(0, f"lenet-exp: no verb {arguments[0]}; there are:")
    print("\n".join(lines), file=sys.stdout if wants_help else sys.stderr)
    return 0 if wants_help else 2


if __name__ == "__main__":
    sys.exit(main())
