from workflows.services.start import start
from workflows.services.verbs import allowed_actions, compensate, retry

__all__ = ["allowed_actions", "compensate", "retry", "start"]
