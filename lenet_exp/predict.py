"""python -m lenet_exp.predict model=MODEL images=IMAGES: which digits a trained LeNet sees.

  MODEL    lenet.pb, a SavedModel or a folder of python -m lenet_exp.export; a run folder, a run
           id or latest; a checkpoint, the ModelZoo's own too
  IMAGES   a PNG or a folder of PNGs, white on black or dark on light, of any size; a file of
           images as data.path= has them; a folder with a test set; mnist for the verified one
           labels are known of such files, and of PNGs in folders 0 to 9

precision=MODE   the chip's precision mode to predict in, emulated on a CPU; float32 without it;
                 in a run's own mode, with the files and nodes that changed it for the run
hardware=... threads=...   as in python -m lenet_exp.run
batch=64         images a call
format=csv       every row, and nothing else
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.graph_options import PredictOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, PredictOptions)

if __name__ == "__main__":
    leave(main())
