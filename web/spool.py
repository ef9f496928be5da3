"""Answers too large for memory: written to a temporary file, and sent from there."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Response, request
from werkzeug.wsgi import wrap_file


def spooled_json(head: Mapping[str, Any], key: str, items: Iterable[Mapping[str, Any]]) -> Response:
    """Make an answer of one JSON object, one of whose values is a long list.

    Parameters:
        head: the object's other values.
        key: names the list.
        items: the list's items, of which one is in memory at a time.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the response closes it
    try:
        file.write(json.dumps(head).removesuffix("}").encode())
        file.write(f", {json.dumps(key)}: [".encode())
        for number, item in enumerate(items):
            file.write((", " if number else "").encode() + json.dumps(item).encode())
        file.write(b"]}")
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    answer = Response(wrap_file(request.environ, file), mimetype="application/json")
    answer.direct_passthrough = True
    answer.content_length = size
    return answer
