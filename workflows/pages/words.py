"""Every word that the progress page says, for the server's first painting and for the browser's after it.

The browser gets this dictionary as JSON, so wording and language are decided here and nowhere else. Sentences with
`{names}` are filled by `str.format` here and by its twin in run-stream.js.
"""

from typing import Any

from django.utils.translation import gettext as _


def words(*, is_shared: bool = False) -> dict[str, Any]:
    """The page's words in the active language, by use and then by state; JSON-ready. is_shared: for a share link."""
    return {
        "headline": headlines(),
        "run": run_words(),
        "step": step_words(),
        "freshness": freshness() | (link_words() if is_shared else {}),
        **afterwards(),
        **moments(),
        **sentences(),
    }


def headlines() -> dict[str, str]:
    """What a run is up to. One that runs or waits shows the titles of its current steps instead, if there are any."""
    return {
        "pending": _("Waiting to start"),
        "running": _("Working"),
        "waiting": _("Waiting for an answer"),
        "completed": _("All done"),
        "failed": _("Stopped by a problem"),
        "cancelling": _("Stopping…"),
        "cancelled": _("Stopped"),
        "compensating": _("Undoing what was done"),
        "compensated": _("Undone"),
        "compensation_failed": _("Not everything could be undone"),
    }


def run_words() -> dict[str, str]:
    return {
        "pending": _("Waiting"),
        "running": _("Running"),
        "waiting": _("Needs an answer"),
        "completed": _("Finished"),
        "failed": _("Failed"),
        "cancelling": _("Stopping"),
        "cancelled": _("Stopped"),
        "compensating": _("Undoing"),
        "compensated": _("Undone"),
        "compensation_failed": _("Undo failed"),
    }


def step_words() -> dict[str, str]:
    return {
        "pending": _("not started"),
        "ready": _("up next"),
        "running": _("working"),
        "retrying": _("trying again"),
        "waiting": _("waiting for an answer"),
        "completed": _("done"),
        "failed": _("failed"),
        "skipped": _("skipped"),
        "cancelled": _("stopped"),
        "compensating": _("being undone"),
        "compensated": _("undone"),
        "compensation_failed": _("could not be undone: an operator was told"),
    }


def freshness() -> dict[str, str]:
    return {
        "loading": _("Connecting…"),
        "live": _("Up to date"),
        "catching_up": _("Catching up…"),
        "offline": _("Offline since {time}"),
        "done": _("Finished"),
        "ended": _("Ended"),
        "signed_out": _("You are signed out. Sign in and open this page again."),
        "forbidden": _("You may not follow this run any more."),
        "unknown": _("This run does not exist any more."),
    }


def link_words() -> dict[str, str]:
    return {"unknown": _("This link does not open the run any more.")}


def afterwards() -> dict[str, dict[str, str]]:
    """What is said of a run that stops, or is undone, by its state."""
    return {
        "detail": {
            "cancelling": _("What is at work ends first; nothing new begins."),
            "compensating": _("What was done is taken back, the newest first."),
        },
        "undone": {
            "compensating": _("Steps undone so far: {count}"),
            "compensated": _("Steps undone: {count}"),
            "compensation_failed": _("Steps undone: {count}"),
        },
        "kept": {
            "failed": _("What was done until then is kept."),
            "compensation_failed": _("An operator was told. What was undone stays undone."),
        },
        "gone": {
            "compensating": _(
                "This run is being undone: the marked steps take back what they did, and its result or report goes."
            ),
            "compensated": _(
                "This run was undone: the marked steps took back what they had done, and its result or report is gone."
            ),
            "compensation_failed": _(
                "This run was undone in part. Its result or report is not offered any more."
            ),
        },
    }


def moments() -> dict[str, Any]:
    """Points in time and durations."""
    return {
        "moment": _("{day}\u00a0{month}, {time}"),
        "utc": _("{time}\u00a0UTC"),
        "months": [
            *(_("Jan"), _("Feb"), _("Mar"), _("Apr"), _("May"), _("Jun")),
            *(_("Jul"), _("Aug"), _("Sep"), _("Oct"), _("Nov"), _("Dec")),
        ],
        "instant": _("under\u00a01\u00a0s"),
        "seconds": _("{seconds}\u00a0s"),
        "minutes": _("{minutes}\u00a0min {seconds}\u00a0s"),
        "hours": _("{hours}\u00a0h {minutes}\u00a0min"),
        "days": _("{days}\u00a0d {hours}\u00a0h"),
    }


def sentences() -> dict[str, str]:
    return {
        "counted": _("{done} of {total} {unit}"),
        "counting": _("{done} {unit}"),
        "position": _("Step {number} of {total}"),
        "positions": _("Steps {numbers} of {total}"),
        "all_done": _("All steps done"),
        "not_started": _("Steps to do: {total}"),
        "stopped_at": _("{done} of {total} steps done"),
        "in_time": _("{text} in {time}"),
        "in_work": _("{text} in {time} of work, begun {since}"),
        "waited": _("waited {time}"),
        "until": _("Until {time}"),
        "waiting_until": _("waiting until {time}"),
        "skipped_since": _("skipped: {reason}"),
        "failed_parts": _("failed: {names}"),
        "again_in": _("trying again in {time} ({number} of {total})"),
        "again_now": _("trying again now ({number} of {total})"),
        "try_of": _("try {number} of {total}"),
        "failure": _("{step}: {detail}"),
        "undo_failure": _("{step} could not be undone: {detail}"),
        "because": _("The reason: {detail}"),
        "failure_unknown": _("It stopped without saying why."),
        "page": _("page {page}"),
        "used": _("{tokens} tokens used"),
        "used_about": _("About {tokens} tokens used"),
        "costs": _("{cost}\u00a0{currency}"),
        "costs_little": _("under {cost}\u00a0{currency}"),
        "below": _("{count} new below"),
        "nothing_yet": _("They appear here one by one, as they are found."),
        "nothing": _("Nothing was found."),
        "yes": _("yes"),
        "no": _("no"),
    }
