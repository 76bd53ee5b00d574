"""What stands before the page: which requests are answered at all, and how long they may be.

Gradio has doors that the demos have no use for, such as one that keeps the files of whoever knocks.
Only those that the page itself goes through are open.
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit

OUR_HOSTS = ("127.0.0.1", "localhost")
MOST_BYTES = 200_000  # of a request: the longest text that a tab takes, several times over
PAGES = ("", "en")  # as serve.py has them
OPEN = re.compile(
    rf"/({'|'.join(PAGES)})"
    r"|/(config|theme\.css|manifest\.json|favicon\.ico|robots\.txt)"
    r"|/(assets|static|svelte)/.*"
    r"|/gradio_api/(info|config|startup-events|app_id|heartbeat/[^/]+|reset|cancel"
    r"|queue/(join|data|status)|call/[^/]+(/[^/]+)?)"
)
SORRY = json.dumps({"detail": "This request cannot be answered. 요청을 처리할 수 없습니다."})


class Gate:
    """Answers requests that a page of this server makes to this machine, and no others.

    Another site can give its own name this machine's address (DNS rebinding); the browser then
    takes our page for that site's. But the request names the host that the browser asked for.
    """

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Hands a request on, or refuses it."""
        if scope["type"] == "websocket":  # the page has none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not is_ours(scope["headers"]):
            await _answer(send, 403)
        elif not OPEN.fullmatch(scope["path"]):
            await _answer(send, 404)
        elif (body := await _whole(receive)) is None:
            await _answer(send, 413)
        else:
            await self._hand_on(scope, body, receive, send)

    async def _hand_on(self, scope: dict[str, Any], body: bytes, receive: Any, send: Any) -> None:
        """Gives the request to Gradio; where that fails at what it was sent, the request is bad."""
        given, begun = False, False

        async def receive_again() -> dict[str, Any]:
            nonlocal given
            if given:
                return await receive()  # that the browser is gone
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_on(message: dict[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive_again, send_on)
        except Exception:
            if begun or scope["method"] != "POST":
                raise
            await _answer(send, 400)


async def _whole(receive: Any) -> bytes | None:
    """The body of a request, or None if it is too long: the rest of it is not read."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


async def _answer(send: Any, status: int) -> None:
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": SORRY.encode()})


def is_ours(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the request is to this machine under its own name, from no page or from this one."""
    given = [(name.lower(), value.decode("latin-1")) for name, value in headers]
    hosts = [value for name, value in given if name == b"host"]
    origins = [value for name, value in given if name == b"origin"]
    if len(hosts) != 1 or _host_name(f"//{hosts[0]}") not in OUR_HOSTS:
        return False
    return all(origin == f"http://{hosts[0]}" for origin in origins)


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
