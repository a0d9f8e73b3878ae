"""python -m lenet_exp.export run=RUN [to=DIR]: freeze a trained LeNet for other programs.

DIR/lenet.pb     float32 images of 0..1 -> logits, probabilities, class; plain TensorFlow reads it
DIR/saved_model  the same as a SavedModel
to=DIR           another folder than RUN/export
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional, Sequence

from lenet_exp import cli


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Export one run; return the exit code."""
    return cli.main("export", __doc__, argv, _export, keys=["to"])


def _export(folder: Path, elsewhere: Optional[str]) -> int:
    from lenet_exp.commands import export  # noqa: PLC0415 - TensorFlow

    where = Path(elsewhere).expanduser().absolute() if elsewhere else folder / "export"
    print(export.told(export.export(folder, where)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
