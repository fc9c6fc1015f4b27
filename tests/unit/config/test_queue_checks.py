"""A step that nobody would take up is told before a run waits for it."""

from config import queue_checks


def test_the_steps_that_come_along_have_a_worker() -> None:
    assert queue_checks.served_queues() == {"default", "llm"}
    assert queue_checks.check_queues() == []


def test_a_step_in_a_queue_without_a_worker_is_named(monkeypatch) -> None:
    monkeypatch.setattr(queue_checks, "served_queues", lambda: {"default"})

    messages = queue_checks.check_queues()

    assert {message.id for message in messages} == {"longhaul.W021"}
    assert any(message.msg.startswith("Step extract_findings of document-analysis") for message in messages)
    assert all("--queues llm" in str(message.hint) for message in messages)
