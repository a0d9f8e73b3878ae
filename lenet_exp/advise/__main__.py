"""python -m lenet_exp.advise: which precision mode, loss scale and float32 operators to train with.

python -m lenet_exp.advise [KEY=VALUE ...]

Tries every precision mode on one step, finds the fewest operators that have to stay float32 where
a mode alone is not near enough, traces some steps for the loss scale, and recommends one setting
with its command. Nothing is trained but where that is asked for; no chip is needed.

target=cosine>=0.999       how near the gradients, all together, and each update have to be to those
                           of float32: the cosine of the angle between them
target=accuracy>=0.975     instead: how far a training has to get, of LeNet or a run; each keep
                           list is a job of a sweep, and the same line goes on with it
modes=[MODE,...]           the modes that are tried, of all five; precision=MODE is that one
budget=40                  how many keep lists are tried, or trainings made, for a mode
steps=200 ranks=1          how many steps the loss scale is traced for, and for how many devices
by=name|type|scope         what stays float32 is found among operators, their types or their scopes
check=true                 trains what is recommended, and float32 beside it, three seeds each, as a
                           sweep: the same line goes on with it; at its end stands the verdict
to=DIR                     where the keep list is written, as the vendor's files: advice
format=table|json
any setting of python -m lenet_exp.run besides loss_scale: optimizer= seed= ...
run= checkpoint= graph= feeds= capture= fetches=
                           another network, or other values, as in python -m lenet_exp.diagnose

  RUN is a run folder, a run id, or latest
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, AdviseOptions)

if __name__ == "__main__":
    leave(main())
