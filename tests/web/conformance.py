"""Holds answers against the API's own description: each status and each shape is in it."""

import re
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_MOMENT_KEYS = re.compile(r"_at$|^scheduled_time$")


def hold_against_description(app: Flask, method: str, path: str, response: TestResponse) -> None:
    """Fail when an answer is not as the description says."""
    assert response.headers["x-request-id"]
    found = described_operation(app, method, path)
    if found is None:
        return
    with app.app_context():
        description = description_of(app)
    status = str(response.status_code)
    assert status in found["responses"], f"{method} {path} answers an undescribed {status}"
    answer = resolve(description, found["responses"][status])
    for content_type, media in answer.get("content", {}).items():
        assert response.mimetype == content_type
        if content_type == "application/json":
            schema = {**media["schema"], "components": description["components"]}
            Draft202012Validator(schema).validate(response.json)
            _check_moments(response.json)


def description_of(app: Flask) -> dict[str, Any]:
    """Give the application's OpenAPI document."""
    document: dict[str, Any] = app.extensions["cloacina-openapi"].spec.to_dict()
    return document


def resolve(description: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference inside the document."""
    while "$ref" in node:
        target: Any = description
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def described_operation(app: Flask, method: str, path: str) -> dict[str, Any] | None:
    """Give the description of what a request asks for, None where it asks for nothing."""
    try:
        rule, _ = app.url_map.bind("").match(urlsplit(path).path, method, return_rule=True)
    except HTTPException:
        return None
    paths = description_of(app)["paths"]
    template = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
    operation: dict[str, Any] | None = paths.get(template, {}).get(method.lower())
    return operation


def _check_moments(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _check_moments(item)
    if isinstance(value, dict):
        for key, item in value.items():
            if _MOMENT_KEYS.search(key) and isinstance(item, str):
                assert _MOMENT.fullmatch(item), f"{key} is {item}"
            _check_moments(item)
