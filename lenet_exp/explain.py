"""python -m lenet_exp.explain: what a precision mode does to every operator, and why.

python -m lenet_exp.explain precision=allow_mix_precision [KEY=VALUE ...]

any setting of python -m lenet_exp.run: precision= loss_scale= optimizer= schedule.batch_size=
precision.keep_dtype=[NAME,...], precision.modify_mixlist=FILE, precision.customize_dtypes=FILE
                           person changes of the mode's decisions; with hardware=ascend910 also
                           hardware.fusion_switch_file=FILE
hardware.cann=today|2021   the generation of the chip's compiler
only=[WORD,...]            the operators that a word fits: type:Mul, scope:bert/encoder,
without=[WORD,...]         name:*bias*, list:black, rule:gray, dtype:float16, section:update, cast,
                           changed, warning, refused; without its kind a word is what it says it
                           is. Of one kind any, of several kinds all of them; without= leaves out
summary=true               operators alike in one line
group=scope|type           a line for each scope or type; group=scope:2 is two names deep
diff=MODE|2021|today       what differs under another mode, or in the other generation
format=table|csv|json      csv and json carry every field; a terminal shows the table's types in
                           colour, unless NO_COLOR is set
operator=NAME              of one operator why it has its types, back to the list, kernel or option
                           that began it, and the smallest changes that give it others
format=html to=FILE        a page for a browser: the operators in their scopes, what feeds what,
                           which casts, and why; with diff= both plans side by side
format=model_explorer to=FILE
                           what Google's Model Explorer opens, casts as an edge overlay
diagnosis=FILE             over both, what diagnose ... format=csv measured: damage, lost share,
                           overflows and where they begin
phase=NAME                 the graph after that phase of the compiler: prune, fold_constants,
                           prune_again, lower, fuse, select, insert_casts, eliminate_casts
session=true               the ConfigProto of a session on the chip, instead of a plan
inference=true             the inference graph instead of the training step
graph=FILE                 any TensorFlow 1 graph: model.ckpt.meta, .pb, .pbtxt; also one written
                           on a chip. Of a MetaGraph, its collections train_op and losses say
                           what a run fetches
fetches=[NAME,...]         of that graph, what a run fetches
batch=N                    of that graph, the first dimension of every input that leaves it open
shapes=INPUT:32x28x28x1    of that graph, the whole shape of an input; several with commas between
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
