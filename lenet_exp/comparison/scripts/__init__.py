"""The comparison of runs of scripts: they have a loss, and no accuracy that is known."""
