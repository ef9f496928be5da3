"""Files that are sent to the API: one part of a form, which the framework keeps on the disk."""

from typing import BinaryIO, Final, cast

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from cloacina.errors import InvalidInput

FORM: Final = "multipart/form-data"


def uploaded_file(what: str) -> BinaryIO:
    """Give the part `file` of the present request; its owner closes it.

    Parameters:
        what: the file is, for messages.

    Raises:
        UnsupportedMediaType: the request is no form.
        InvalidInput: the part is missing or empty.
    """
    if request.mimetype != FORM and (request.content_length or request.mimetype):
        raise UnsupportedMediaType(f"send {what} as {FORM}, in a part named 'file'")
    file = request.files.get("file")
    if file is None:
        raise InvalidInput(f"send {what} as a file, in a multipart part named 'file'")
    if not file.stream.read(1):
        raise InvalidInput("the uploaded file is empty")
    file.stream.seek(0)
    return cast(BinaryIO, file.stream)
