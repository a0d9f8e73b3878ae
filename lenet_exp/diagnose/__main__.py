"""python -m lenet_exp.diagnose: which operator a precision mode makes wrong, and by how much.

python -m lenet_exp.diagnose precision=force_fp16 [KEY=VALUE ...]

The same weights and batch go through the step in float32 and as the chip computes it, and each
operator once more alone, with exact inputs: so an error that arises is told from one that is
passed on.

any setting of python -m lenet_exp.run: precision= loss_scale= optimizer= seed=
run=RUN                    a recorded run, with its settings and its newest checkpoint
checkpoint=DIR             the values of the variables; without one, those that training begins with
graph=FILE feeds=FILE.npz  a person's own training graph, and what its steps are fed: an array for
                           each tensor name, axis 0 the steps. fetches=[NAME,...] as in explain
capture=DIR                a folder with graph.meta, feeds.npz, capture.json and checkpoint-N
operators=20|all           how many, the most damaging first
format=table|csv|json      csv and json carry every field of every operator

  RUN is a run folder, a run id, or latest
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.diagnosis_options import DiagnoseOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, DiagnoseOptions)

if __name__ == "__main__":
    leave(main())
