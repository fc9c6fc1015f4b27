"""Every word that the progress page says, for the server's first painting and for the browser's after it.

The browser gets this dictionary as JSON, so wording and language are decided here and nowhere else. Sentences with
`{names}` are filled by `str.format` here and by its twin in run-stream.js.
"""

from typing import Any

from django.utils.translation import gettext as _


def words() -> dict[str, Any]:
    """The page's words in the active language, by use and then by state; JSON-ready."""
    return {
        "headline": headlines(),
        "run": run_words(),
        "step": step_words(),
        "freshness": freshness(),
        **sentences(),
    }


def headlines() -> dict[str, str]:
    """What a run is up to. A running one shows the titles of its current steps instead, when there are any."""
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
        "compensation_failed": _("could not be undone"),
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


def sentences() -> dict[str, str]:
    return {
        "counted": _("{done} of {total} {unit}"),
        "counting": _("{done} {unit}"),
        "position": _("Step {number} of {total}"),
        "all_done": _("All steps done"),
        "not_started": _("Steps to do: {total}"),
        "stopped_at": _("{done} of {total} steps done"),
        "in_time": _("{text} in {time}"),
        "again_in": _("trying again in {time} ({number} of {total})"),
        "again_now": _("trying again now ({number} of {total})"),
        "try_of": _("try {number} of {total}"),
        "failure": _("{step}: {detail}"),
        "failure_unknown": _("It stopped without saying why."),
        "page": _("page {page}"),
        "instant": _("under\u00a01\u00a0s"),
        "seconds": _("{seconds}\u00a0s"),
        "minutes": _("{minutes}\u00a0min {seconds}\u00a0s"),
        "hours": _("{hours}\u00a0h {minutes}\u00a0min"),
        "below": _("{count} new below"),
        "nothing_yet": _("They appear here one by one, as they are found."),
        "nothing": _("Nothing was found."),
        "yes": _("yes"),
        "no": _("no"),
    }
