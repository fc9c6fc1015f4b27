from workflows import tasks


def test_sweeps_that_waited_behind_a_stopped_worker_are_done_once(monkeypatch):
    made = []
    monkeypatch.setattr(tasks, "pause", tasks.Pause())
    monkeypatch.setattr(tasks, "sweep_due", lambda **_: made.append(1))
    for _ in range(5):
        tasks.sweep()
    assert made == [1]
