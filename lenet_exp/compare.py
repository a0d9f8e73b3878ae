"""python -m lenet_exp.compare: which configuration trains best, and how sure that is.

python -m lenet_exp.compare                       the last sweep, or else the whole experiment
python -m lenet_exp.compare sweep=NAME            the runs of a sweep; latest is the last one
python -m lenet_exp.compare tracking.experiment=NAME
python -m lenet_exp.compare 'runs=[ID,ID]'

reference=CONFIGURATION    hold the others against this one: a precision mode, or settings with
                           commas between (precision=force_fp16,optimizer=sgd)
require_accuracy=0.975     exit with 1 if the mean of any configuration is below
tracking.uri=URI           another store than MLflow's default
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.recorded_options import CompareOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, CompareOptions)

if __name__ == "__main__":
    leave(main())
