"""A run whose process was killed ends in the store with all that it had recorded."""

from __future__ import annotations

import json

from lenet_exp.record.store import dead_runs, processes, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Store
from tests.stores import new_store


def test_what_it_had_no_time_to_send_is_there(tmp_path):
    store, folder = Store(new_store(tmp_path / "store.db"), "lenet-exp"), tmp_path / "run"
    journal = Journal(folder)
    dead = json.dumps({**json.loads(processes.this_process()), "pid": 1 << 30})
    run = sync.open_run(store, journal, "name", {processes.TAG: dead})
    journal.append("tags", {processes.TAG: dead, "precision": "fp16"})
    journal.append("params", {"seed": 3})
    journal.append("metrics", {"loss": 2.5}, 10)
    dead_runs.end_killed(store, folder)
    assert store.client.get_run(run.run_id).info.status == "RUNNING"  # it has the journal still
    journal.close()
    dead_runs.end_killed(store, folder)
    found = store.client.get_run(run.run_id)
    assert found.info.status == "KILLED"
    assert found.info.end_time == journal.entries[-1].time
    assert found.data.params == {"seed": "3"}
    assert found.data.metrics == {"loss": 2.5}
    assert found.data.tags["precision"] == "fp16"
