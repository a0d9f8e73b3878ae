"""python -m lenet_exp.predict model=MODEL images=IMAGES: which digits a trained LeNet sees.

  MODEL    lenet.pb, a SavedModel or a folder of python -m lenet_exp.export; a run folder, a run
           id or latest; a checkpoint, the ModelZoo's own too
  IMAGES   a PNG or a folder of PNGs, white on black or dark on light, of any size; an idx file,
           raw or .gz; a folder with MNIST's test set; mnist for the verified one
           labels are known of idx files, and of PNGs in folders 0 to 9

precision=MODE   the chip's precision mode to predict in, emulated on a CPU; float32 without it
hardware=... threads=...   as in python -m lenet_exp.run
batch=64         images a call
format=csv       every row, and nothing else
"""

from __future__ import annotations

import sys
from typing import Optional, Sequence

from lenet_exp import cli
from lenet_exp.config.cli import predict_options


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Print what is seen, or refuse in words; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["-h"], ["--help"]):
        print(__doc__, end="")
        return 0
    return cli.ended(
        lambda: _predict(words), f"{predict_options.PROGRAM} again, with permission there"
    )


def _predict(words: Sequence[str]) -> int:
    asked = predict_options.read(words)
    from lenet_exp.commands import predict  # noqa: PLC0415 - TensorFlow

    print(predict.told(predict.predict(asked), asked), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
