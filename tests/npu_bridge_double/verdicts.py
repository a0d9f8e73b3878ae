"""What an adapter does with parameter maps: a JSON list on stdin, a list of words on stdout.

Each map is key -> [field, value]; the words are OK, IGN, ABORT and EXC.
"""

import json
import sys

import tensorflow as tf
from npu_bridge.double import rules


def verdict(options):
    entry = tf.ConfigProto().graph_options.rewrite_options.custom_optimizers.add()
    for key, (field, value) in options.items():
        setattr(entry.parameter_map[key], field, value.encode() if field == "s" else value)
    try:
        read = rules.read(entry.parameter_map)
        rules.check(read)
    except rules.Abort:
        return "ABORT"
    except rules.UnknownKey:
        return "IGN"
    except tf.errors.OpError:
        return "EXC"
    meant = {k: v.encode() if f == "s" else v for k, (f, v) in options.items()}
    return "OK" if read == meant else "IGN"


print(json.dumps([verdict(options) for options in json.load(sys.stdin)]))
