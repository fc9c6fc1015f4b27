from workflows.execution.generating.answer import Answer, Listener
from workflows.execution.generating.ending import Generated
from workflows.execution.generating.reading import Reading
from workflows.execution.generating.rejections import Rejections

__all__ = ["Answer", "Generated", "Listener", "Reading", "Rejections"]
