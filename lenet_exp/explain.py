"""python -m lenet_exp.explain: what a precision mode does to every operator, and why.

python -m lenet_exp.explain precision=allow_mix_precision [KEY=VALUE ...]

any setting of python -m lenet_exp.run: precision= loss_scale= optimizer= schedule.batch_size=
precision.keep_dtype=[NAME,...], precision.modify_mixlist=FILE, precision.customize_dtypes=FILE
                           person changes of the mode's decisions
hardware.cann=today|2021   the generation of the chip's compiler
summary=true               operators alike in one line
diff=MODE|2021|today       what differs under another mode, or in the other generation
format=table|csv|json      csv and json carry every field
phase=NAME                 the graph after that phase of the compiler: prune, fold_constants,
                           prune_again, lower, fuse, select, insert_casts, eliminate_casts
session=true               the ConfigProto of a session on the chip, instead of a plan
inference=true             the inference graph instead of the training step
graph=FILE                 any TensorFlow 1 graph: model.ckpt.meta, .pb, .pbtxt; also one written
                           on a chip. Of a MetaGraph, its collections train_op and losses say
                           what a run fetches
fetches=[NAME,...]         of that graph, what a run fetches
"""

from __future__ import annotations

import shutil
import sys
from typing import Optional, Sequence

from lenet_exp.config.cli import explain_options
from lenet_exp.errors import LenetExpError, told
from lenet_exp.record.terminal import stop_printing


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Print the plan, or refuse the question in words; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if words in (["-h"], ["--help"]):
            print(__doc__, end="")
            return 0
        asked = explain_options.read(words)
        from lenet_exp.commands import explain  # noqa: PLC0415 - TensorFlow

        answer = explain.answer(asked, shutil.get_terminal_size((100, 24)).columns)
        print(answer.text, flush=True)
        for warning in answer.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    except BrokenPipeError:  # `| head`
        stop_printing()
    except (LenetExpError, OSError) as error:
        print(f"lenet-exp: {told(error)}", file=sys.stderr)
        return told(error).exit_code
    except KeyboardInterrupt:
        print("lenet-exp: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
