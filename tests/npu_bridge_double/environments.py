"""What an adapter does in environments: a JSON list of them on stdin, a list of words on stdout.

The words are OK, ABORT, EXC, ERROR (an exception of Python) and WAIT (for other processes).
"""

import json
import os
import sys

import tensorflow as tf
from npu_bridge.double import environment, rules


def verdict(variables):
    os.environ.update(variables)
    try:
        environment.device()
        environment.check_task()
        environment.check_rank_table()
        rules.check(rules.read({}))
        environment.reduce_gradients()
    except rules.Abort:
        return "ABORT"
    except environment.Waits:
        return "WAIT"
    except tf.errors.OpError:
        return "EXC"
    except (ValueError, AttributeError):
        return "ERROR"
    finally:
        for name in variables:
            del os.environ[name]
    return "OK"


print(json.dumps([verdict(variables) for variables in json.load(sys.stdin)]))
