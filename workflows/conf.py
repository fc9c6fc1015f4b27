"""The engine's settings: times in seconds, each overridden by LONGHAUL_<NAME>."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from outbox.conf import Scaled, read_settings

# No time that people mean is further ahead; dates do not reach beyond the year 9999.
CENTURY_SECONDS = 3_155_760_000


class WorkflowSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    lease_seconds: Scaled = Field(30.0, gt=0, description="how long a worker holds a step without renewing")
    lease_heartbeat_seconds: Scaled = Field(10.0, gt=0, description="how often a process renews its leases")
    cancel_poll_seconds: Scaled = Field(
        1.0, gt=0, description="how often a process looks whether its runs were cancelled"
    )
    cancel_grace_seconds: Scaled = Field(
        30.0, gt=0, description="how long a step of a cancelled run may go on before it is fenced off"
    )
    abandon_grace_seconds: Scaled = Field(
        30.0,
        gt=0,
        description="how long a body may go on after its lease is lost, before it counts as abandoned",
    )
    max_abandoned_bodies: int = Field(
        3,
        ge=1,
        description="abandoned bodies in a process of threads, after which it ends to be started anew",
    )
    recycle_grace_seconds: Scaled = Field(
        60.0, gt=0, description="how long such a process waits for its other steps before it ends"
    )
    dispatch_retry_seconds: Scaled = Field(
        10.0, gt=0, description="first wait for a sent step to be taken; doubles"
    )
    dispatch_retry_cap_seconds: Scaled = Field(
        300.0, gt=0, description="longest wait before a step is sent again"
    )
    dispatch_busy_seconds: Scaled = Field(
        900.0,
        gt=0,
        description="in a queue that has messages: first wait before a step is sent again; quadruples",
    )
    chain_max_steps: int = Field(16, ge=1, description="steps in one Celery chain")
    sweep_pause_seconds: Scaled = Field(
        0.5, ge=0, description="a sweep that follows the last one of its process sooner is left out"
    )
    sweep_batch_size: int = Field(200, ge=1, description="due steps that one sweep takes up")
    hard_limit_grace_seconds: Scaled = Field(
        30.0, ge=0, description="after a step's timeout, until its child is killed"
    )
    flush_interval_seconds: float = Field(
        0.05, gt=0, description="longest that a yielded item waits for its commit"
    )
    flush_idle_seconds: float = Field(
        5.0, gt=0, description="quiet after which the flush thread closes its connection"
    )
    flush_max_items: int = Field(100, ge=1, description="items committed at once, at most")
    progress_interval_seconds: float = Field(1.0, gt=0, description="how often a step's progress is saved")
    progress_frame_interval_seconds: float = Field(0.1, gt=0, description="how often it is shown live")
    activity_interval_seconds: float = Field(
        5.0, gt=0, description="how often words of a model count as activity"
    )
    partial_interval_seconds: float = Field(
        0.1, ge=0.02, description="shortest pause between two frames of a half-written item"
    )
    partial_max_bytes: int = Field(
        28_000, ge=0, description="a half-written item is shown up to this length, as written; 0: none is"
    )
    partial_ttl_seconds: int = Field(
        60, ge=1, description="how long it is kept for those who come, after its last frame"
    )
    run_budget_tokens: int = Field(
        0, ge=0, description="tokens that all steps of a run may use of models, read and written; 0: no limit"
    )
    run_budget_cost: Decimal = Field(
        Decimal(0), ge=0, allow_inf_nan=False, description="the same in money, by MODEL_PRICES; 0: no limit"
    )
    usage_interval_seconds: float = Field(
        1.0, gt=0, description="while a model writes: how often what it has cost so far is saved"
    )
    budget_interval_seconds: float = Field(
        5.0, gt=0, description="while a model writes: how often the run's other steps are looked at"
    )
    frames_max_entries: int = Field(10_000, ge=100, description="ephemeral frames that a shard keeps, about")
    retry_after_max_seconds: float = Field(
        86_400.0, gt=0, description="longest wait that another side may ask for"
    )
    undo_attempts: int = Field(5, ge=1, description="tries of one compensation in a round")
    inline_output_bytes: int = Field(
        262_144, ge=100, description="largest output kept in the step's row; a larger one goes to the storage"
    )
    output_max_bytes: int = Field(67_108_864, ge=1_024, description="largest output of a step, as JSON")
    result_part_max_bytes: int = Field(
        262_144, ge=1_024, description="where the answer with a part of a result ends, about"
    )
    result_string_max_bytes: int = Field(
        2_000, ge=16, description="of a text in such an answer; all of it is given when it is asked for"
    )
    result_depth_max: int = Field(5, ge=1, le=64, description="levels that such an answer has at most")
    fan_out_max_parts: int = Field(10_000, ge=1, le=100_000, description="parts of a fan-out, at most")
    request_key_seconds: float = Field(
        86_400.0, gt=0, description="how long an idempotency key of a caller is remembered"
    )
    start_ahead_max_seconds: float = Field(
        315_576_000.0, gt=0, le=CENTURY_SECONDS, description="how far ahead a run may be told to begin"
    )
    schedule_grace_seconds: float = Field(
        60.0, gt=0, description="after which a moment of a schedule counts as missed"
    )
    key_max_chars: int = Field(200, ge=16, le=200, description="longest idempotency or unique key")
    reason_max_chars: int = Field(1_000, ge=1, description="longest reason of an operator's action")
    page_size: int = Field(50, ge=1, description="rows of a list answer")
    page_size_max: int = Field(200, ge=1, description="most rows that a caller may ask for")
    item_max_bytes: int = Field(
        28_000, ge=100, description="largest item, as JSON: its event carries it whole"
    )
    rejected_max_items: int = Field(
        1_000, ge=1, description="rejected pieces of one attempt; with the last of them it fails"
    )
    rejected_raw_max_bytes: int = Field(
        2_000, ge=0, le=4_000, description="kept of a rejected piece of model output"
    )
    rejected_reason_max_chars: int = Field(
        300, ge=20, le=1_000, description="why it was rejected is cut here"
    )
    model_max_continuations: int = Field(
        3, ge=0, le=100, description="how often a cut answer is gone on with in one attempt; 0: never"
    )
    model_done_max_bytes: int = Field(
        131_072,
        ge=0,
        description="JSON of what is done that a model is told so that it goes on after it: the last objects that fit",
    )
    reask_timeout_seconds: float = Field(
        60.0, gt=0, description="longest that one rejected item is asked for again, all times together"
    )
    reask_at_once: int = Field(
        4, ge=1, le=32, description="items of an answer asked for again at one time; then reading pauses"
    )
    reask_held_items: int = Field(
        200, ge=1, description="items held behind one that is asked for again; then reading pauses"
    )
    reask_held_bytes: int = Field(
        1_048_576, ge=1, description="the same in bytes of JSON; then reading pauses"
    )
    run_retention_days: float = Field(
        0.0, ge=0, description="runs that ended longer ago are removed with all they hold; 0: kept for ever"
    )
    run_retention_batch: int = Field(
        100, ge=1, le=1_000, description="runs that retention closes in one transaction"
    )
    error_detail_max_chars: int = Field(2_000, ge=100, description="an error's sentence is cut here")


def conf() -> WorkflowSettings:
    return read_settings(WorkflowSettings)
