"""An OpenAI-compatible endpoint on this machine that behaves, request by request, as a test tells it to."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-a-key-that-nobody-may-see"
MODEL = "tiny-model"


@dataclass(frozen=True)
class Reply:
    """``after`` seconds; ``dropped``: the connection is closed instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0
    dropped: bool = False


def wrote(content: str, finish: str = "stop", usage: dict[str, int] | None = None, **message: Any) -> Reply:
    """A chat completion. ``usage``: 100 tokens in and 10 out if none is given; ``{}``: the server does not say."""
    body: dict[str, Any] = {
        "id": "1", "object": "chat.completion", "created": 0, "model": MODEL,
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
        ],
    }  # fmt: skip
    used = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110} if usage is None else usage
    return Reply(body=body | ({"usage": used} if used else {}))


def refused(status: int, message: str = "", code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"error": {"message": message, "type": "error", "param": None, "code": code}}, named)


@dataclass
class Server:
    """``asked`` and ``answered`` (with status 200, to the end) count requests by the text of their user message."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    hold: threading.Event = field(default_factory=threading.Event)  # set when the server goes: ends every wait
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: dict[str, Any], key: str) -> tuple[str, int]:
        """The prompt, and how often it was asked by now."""
        prompt = body["messages"][-1]["content"]
        with self._lock:
            self.bodies.append(body)
            self.keys.add(key)
            self.asked[prompt] += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            return prompt, self.asked[prompt]

    def gave(self, prompt: str, well: bool) -> None:
        with self._lock:
            self._now -= 1
            self.answered[prompt] += well


@contextmanager
def serving(script: Callable[[str, int], Reply]) -> Iterator[Server]:
    """Serve ``script(prompt, nth)``: the user message, and how often it was asked, this time included."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or each reply would wait 40 ms for an acknowledgement

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt, nth = server.take(body, self.headers["Authorization"])
            well = False
            try:
                well = self._reply(script(prompt, nth)) if self.path == "/v1/chat/completions" else False
            except OSError:  # the client did not wait
                self.close_connection = True
            finally:
                server.gave(prompt, well)

        def _reply(self, reply: Reply) -> bool:
            server.hold.wait(reply.after)
            if reply.dropped:
                self.close_connection = True
                return False
            text = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.wfile.flush()
            return reply.status == 200

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 64

    http = Quiet(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_address[1]}/v1")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hold.set()
        http.shutdown()
        http.server_close()
