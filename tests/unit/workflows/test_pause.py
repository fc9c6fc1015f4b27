from outbox import tasks as outbox_tasks
from workflows import tasks


def test_sweeps_that_waited_behind_a_stopped_worker_are_done_once(monkeypatch):
    made = []
    monkeypatch.setattr(tasks, "pause", tasks.Pause())
    monkeypatch.setattr(tasks, "sweep_due", lambda **_: made.append(1))
    for _ in range(5):
        tasks.sweep()
    assert made == [1]


def test_relays_that_waited_behind_a_stopped_worker_do_not_take_all_its_threads(monkeypatch):
    lingering = 0

    def linger(*, seconds):
        nonlocal lingering
        lingering += 1
        outbox_tasks.relay()  # while this one lingers

    monkeypatch.setattr(outbox_tasks, "linger", linger)
    outbox_tasks.relay()
    assert lingering == outbox_tasks.LINGERING_MAX
