"""The problems that a document can meet at the border, as `documents.errors` names them."""

from workflows.problem_kinds import Kind

KINDS = {
    "no-file": Kind(
        status=422,
        title="No file came with the form",
        meaning="The form was sent without a document.",
        remedy="Choose a document first.",
    ),
    "empty-file": Kind(
        status=422,
        title="The file is empty",
        meaning="The file has no content at all; often it was sent before it was saved or downloaded whole.",
        remedy="Save or download it again, or choose another one.",
    ),
    "unsupported-type": Kind(
        status=415,
        title="This type of file cannot be read",
        meaning="What is in the file counts, not its name: it is no PDF, PNG, JPEG or plain text.",
        remedy="Export it as a PDF from the program it was made with.",
    ),
    "damaged-document": Kind(
        status=422,
        title="The document is damaged or was cut off",
        meaning="It begins like a PDF or a picture, but cannot be opened, breaks off, or needs more memory or time "
        "than any usual one.",
        remedy="Export, download or photograph it again. A PDF that opens elsewhere: print it to a new PDF.",
    ),
    "no-pages": Kind(
        status=422,
        title="The PDF has no pages",
        meaning="The file is a PDF, but holds no page.",
        remedy="Export it again from the program it was made with.",
    ),
    "encrypted-document": Kind(
        status=422,
        title="The PDF is protected by a password",
        meaning="It cannot be opened without its password, which nobody should send here.",
        remedy="Remove the protection, for example by printing it to a new PDF.",
    ),
    "too-many-pages": Kind(
        status=413,
        title="The document has too many pages",
        meaning="“pages” says how many it has, “limit_pages” how many are read at once.",
        remedy="Send it in parts. The limit is the setting LONGHAUL_UPLOAD_MAX_PAGES.",
    ),
    "image-too-large": Kind(
        status=413,
        title="The picture has too many pixels",
        meaning="Width times height is more than “limit_pixels”.",
        remedy="Scale it down. The limit is the setting LONGHAUL_UPLOAD_MAX_PIXELS.",
    ),
}
