"""A thin client of the HTTP API: one session, errors as exceptions, nothing else."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cli.errors import ApiError, TransportError
from cloacina.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
_PIECE_BYTES = 256 * 1024


class Client:
    """The API of one server, as one key sees it.

    Parameters:
        server: the URL, without a slash at its end.
        key: the API key; None for the open routes.
        log: is told of each request and its answer.
    """

    def __init__(self, server: str, key: str | None, log: Callable[[str], None]) -> None:
        self.server = server
        self._key = key
        self._log = log

    @cached_property
    def _session(self) -> "requests.Session":
        import requests

        session = requests.Session()
        session.auth = self._authorize
        return session

    def _authorize(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        # as an `auth`, since a plain header would lose to an entry of ~/.netrc
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}".encode()  # type: ignore[assignment]
        return request

    def get(self, path: str, **params: object) -> Any:
        """Read something.

        Parameters:
            path: the path, with its leading slash.
            params: the query; None values are left out.

        Returns:
            The answer's JSON.

        Raises:
            ApiError: the server refuses.
            TransportError: no answer.
        """
        return self.request("GET", path, params=params)

    def items(self, path: str, **params: object) -> list[Any]:
        """Read the items of a list; raises what `get` raises."""
        answer = self.get(path, **params)
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise TransportError(f"{self.server}{path} answered with no list of items")
        return list(answer["items"])

    def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """Send a JSON body, or none; returns and raises as `get`."""
        headers = dict(headers or {})
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            try:
                data = json.dumps(body, allow_nan=False).encode()
            except ValueError as error:
                raise InvalidInput(f"this cannot be written as JSON: {error}") from None
        return self.request("POST", path, data=data, headers=headers)

    def delete(self, path: str) -> Any:
        """Delete something; returns and raises as `get`."""
        return self.request("DELETE", path)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> Any:
        """Send a request and read its answer.

        Parameters:
            method: the HTTP method.
            path: the path, with its leading slash.
            params: the query.
            data: the body: bytes, or something to read with a length.
            headers: headers beyond the client's own.
            read_timeout_s: seconds to wait for the answer.

        Returns:
            The answer's JSON.

        Raises:
            ApiError: the server refuses.
            TransportError: no answer, or one that is no JSON.
        """
        response = self._send(
            method,
            path,
            read_timeout_s,
            # numbers and texts, of which requests leaves out those that are None
            params=dict(params or {}),
            data=data,
            headers=dict(headers or {}),
        )
        if not 200 <= response.status_code < 300:
            raise _refusal(response)
        try:
            return response.json()
        except ValueError:
            raise TransportError(
                f"{self.server}{path} answered with something other than JSON; "
                "is this the URL of a Cloacina server?"
            ) from None

    def download(self, path: str, *, read_timeout_s: float) -> "Download":
        """Begin to read a file; whoever gets it closes it.

        Parameters:
            path: the path, with its leading slash.
            read_timeout_s: seconds to wait for its beginning, and for each next piece.

        Raises:
            ApiError: the server refuses.
            TransportError: no answer.
        """
        response = self._send("GET", path, read_timeout_s, stream=True)
        if response.status_code != 200:
            with response:
                raise _refusal(response)
        return Download(response, self.server)

    def _send(
        self, method: str, path: str, read_timeout_s: float, **content: Any
    ) -> "requests.Response":
        import requests

        url, started = self.server + path, time.monotonic()
        try:
            response = self._session.request(
                method,
                url,
                **content,
                timeout=(CONNECT_TIMEOUT_S, read_timeout_s),
                # following one turns a POST into a GET
                allow_redirects=False,
            )
        except requests.exceptions.InvalidURL as error:
            raise ConfigurationError(f"{self.server}: {error}") from None
        except requests.exceptions.ConnectTimeout:
            raise TransportError(
                f"cannot reach {self.server}: no connection within {CONNECT_TIMEOUT_S:.0f} s"
            ) from None
        except requests.exceptions.ReadTimeout:
            raise TransportError(
                f"{self.server} gave no answer within {read_timeout_s:.0f} s"
            ) from None
        except requests.exceptions.RequestException as error:
            raise TransportError(f"cannot reach {self.server}: {_cause(error)}") from None
        taken = (time.monotonic() - started) * 1000
        request_id = response.headers.get("x-request-id", "none")
        self._log(f"{method} {url} -> {response.status_code} ({taken:.0f} ms, id {request_id})")
        return response


class Download:
    """A file that a server sends.

    Parameters:
        response: of which the body is not read yet.
        server: the URL, for messages.

    Attributes:
        size: in bytes; None: the server does not say.
    """

    def __init__(self, response: "requests.Response", server: str) -> None:
        self._response = response
        self._server = server
        length = response.headers.get("content-length", "")
        self.size = int(length) if length.isdecimal() else None

    def __enter__(self) -> "Download":
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()

    def pieces(self) -> Iterator[bytes]:
        """Give its bytes, to the last of them.

        Raises:
            TransportError: they end too early.
        """
        import requests

        try:
            yield from self._response.iter_content(_PIECE_BYTES)
        except requests.exceptions.RequestException as error:
            raise TransportError(f"{self._server} broke off: {_cause(error)}") from None


def _refusal(response: "requests.Response") -> ApiError:
    message, code = "", ""
    if location := response.headers.get("location"):
        message = f"it redirects to {location}; use that server's URL"
    else:
        try:
            body = response.json()
        except ValueError:
            body = None
        if isinstance(body, dict):
            # `/ready` alone gives its reason under a name of its own
            message = str(body.get("error") or body.get("reason") or "")
            code = str(body.get("code") or "")
    request_id = response.headers.get("x-request-id", "")
    return ApiError(
        response.status_code, message or response.reason or "no reason", code, request_id
    )


def _cause(error: BaseException) -> str:
    """The first cause of a failed connection, which says most in least words."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return getattr(error, "strerror", None) or str(error)
