"""python -m lenet_exp.export run=RUN [to=DIR]: freeze a trained LeNet for other programs.

DIR/lenet.pb     float32 images of 0..1 -> logits, probabilities, class; plain TensorFlow reads it
DIR/saved_model  the same as a SavedModel
to=DIR           another folder than RUN/export
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.recorded_options import ExportOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, ExportOptions)

if __name__ == "__main__":
    leave(main())
