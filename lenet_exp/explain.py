"""python -m lenet_exp.explain: what a precision mode does to every operator, and why.

python -m lenet_exp.explain precision=allow_mix_precision [KEY=VALUE ...]

any setting of python -m lenet_exp.run: precision= loss_scale= optimizer= schedule.batch_size=
precision.keep_dtype=[NAME,...], precision.modify_mixlist=FILE, precision.customize_dtypes=FILE
                           person changes of the mode's decisions; with hardware=ascend910 also
                           hardware.fusion_switch_file=FILE
hardware.cann=today|2021   the generation of the chip's compiler
summary=true               operators alike in one line
diff=MODE|2021|today       what differs under another mode, or in the other generation
format=table|csv|json      csv and json carry every field; a terminal shows the table's types in
                           colour, unless NO_COLOR is set
phase=NAME                 the graph after that phase of the compiler: prune, fold_constants,
                           prune_again, lower, fuse, select, insert_casts, eliminate_casts
session=true               the ConfigProto of a session on the chip, instead of a plan
inference=true             the inference graph instead of the training step
graph=FILE                 any TensorFlow 1 graph: model.ckpt.meta, .pb, .pbtxt; also one written
                           on a chip. Of a MetaGraph, its collections train_op and losses say
                           what a run fetches
fetches=[NAME,...]         of that graph, what a run fetches
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, ExplainOptions)

if __name__ == "__main__":
    leave(main())
