"""Who may ask the bench anything: a page that it has itself served, and that was given this start's token.

A browser sends requests to 127.0.0.1 for any page that it shows. So the host that was asked must be one of the bench's
own (a name that an attacker has pointed at this machine is none), the page that asks must be the bench's own, and what
it asks with must be the token, which no other page can read.
"""

import hmac
import ipaddress
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST = 2**18  # bytes of a request's body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class Doors:
    """Around ``app``: what is refused gets a line of JSON, and ``app`` never sees it."""

    app: App
    address: str  # that is bound
    port: int
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # no websocket is served
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        refused = self._refused(scope, headers)
        if refused is not None:
            await _answer(send, *refused)
            return
        body = await _body(receive) if scope["method"] == "POST" else b""
        if body is None:
            await _answer(send, 413, f"the request has more than {MOST} bytes: send less")
            return

        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()  # when the page goes away
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        await self.app(scope, again, with_headers)

    def _refused(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        if sum(key.lower() == b"host" for key, _ in scope["headers"]) != 1 or not self._own_host(headers["host"]):
            return 421, f"this is no host of the bench: open the address that it printed (port {self.port})"
        origin = headers.get("origin")
        if origin is not None and (urlsplit(origin).scheme != "http" or not self._same(origin, headers["host"])):
            return 403, "another page asks: the bench answers its own page alone"
        if scope["path"] == "/" and scope["method"] in ("GET", "HEAD"):
            return None  # the page itself, which tells nothing
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "another page asks: the bench answers its own page alone"
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(given.encode("utf-8"), self.token.encode("utf-8")):
            return 401, "the token is missing or of another start: open the address that `prefactor bench` printed"
        if scope["method"] == "POST" and headers.get("content-type", "").partition(";")[0] != "application/json":
            return 415, "the request is no application/json: send JSON"
        return None

    def _own_host(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, port = (parts.hostname or "").rstrip("."), parts.port or 80
        except ValueError:
            return False
        if port != self.port or parts.username is not None:
            return False
        if self.address in LOOPBACK:
            return name in LOOPBACK
        return name in {self.address, *LOOPBACK, socket.gethostname().lower(), socket.getfqdn().lower()} or _is_ip(name)

    def _same(self, origin: str, host: str) -> bool:
        return urlsplit(origin).netloc.lower() == host.lower()


def new_token() -> str:
    return secrets.token_urlsafe(24)


def _is_ip(name: str) -> bool:
    """A literal address cannot be pointed at another machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too long."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST:
            return None
    return body


async def _answer(send: Send, status: int, line: str) -> None:
    body = json.dumps({"error": line}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"} | HEADERS
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
