"""The part of the Hugging Face Hub's protocol that ``huggingface_hub`` needs to upload and download, on this machine.

Files that git would keep go into the commit; the rest by LFS: a batch, a PUT each, and a redirect when they are read.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_tokenThatNobodyMaySee"
REGULAR = (".md", ".json", ".yaml", ".txt", ".gitattributes")


@dataclass
class Repository:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # by hash: path -> content
    refs: dict[str, str] = field(default_factory=dict)  # branches and tags -> commit

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        text = json.dumps([len(self.commits), sorted((p, hashlib.sha256(c).hexdigest()) for p, c in files.items())])
        name = hashlib.sha1(text.encode()).hexdigest()
        self.commits[name], self.refs[branch] = files, name
        return name

    def at(self, revision: str) -> str | None:
        found = self.refs.get(revision, revision)
        return found if found in self.commits else None


@dataclass
class Hub:
    url: str = ""
    store: str = ""  # of LFS: another host, as a redirect within the Hub is followed for its head alone
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # of LFS, by sha256
    requests: list[str] = field(default_factory=list)
    forbidden: bool = False  # the token may read, and not write
    broken: bool = False


def is_lfs(path: str) -> bool:
    return not path.endswith(REGULAR)


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def hub() -> Iterator[Hub]:
    """A Hub without repositories; it knows :data:`TOKEN` alone."""
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _send(self, status: int, value: Any = None, headers: dict[str, str] | None = None) -> None:
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            if "Content-Length" not in (headers or {}):
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            self.wfile.flush()

        def _fail(self, status: int, code: str, message: str) -> None:
            self._send(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

        def _known(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {TOKEN}"

        def _repository(self, name: str) -> Repository | None:
            """The repository, if whoever asks may know of it."""
            found = state.repositories.get(name)
            if found is None or (found.private and not self._known()):
                self._fail(401 if not self._known() else 404, "RepoNotFound", "Repository not found")
                return None
            return found

        def _handle(self) -> None:
            url = urlparse(self.path)
            state.requests.append(f"{self.command} {url.path}")
            if state.broken:
                self._body()
                self._send(503, {"error": "no"})
                return
            parts = [unquote(part) for part in url.path.strip("/").split("/")]
            parts = parts[parts[0] == "datasets" :]  # a data set's files lie below it, a model's at the top
            if self.command in ("POST", "PUT") and parts[0] != "lfs" and parts[-1] != "validate-yaml":
                if not self._known():
                    self._body()
                    self._fail(401, "Unauthorized", f"Invalid credentials: {self.headers.get('Authorization')}")
                    return
                if state.forbidden:
                    self._body()
                    self._fail(403, "Forbidden", "You don't have the rights to write there")
                    return
            match self.command, parts:
                case "POST", ["api", "repos", "create"]:
                    self._create(json.loads(self._body()))
                case "POST", ["api", "validate-yaml"]:
                    self._body()
                    self._send(200, {"errors": [], "warnings": []})
                case _, ["api", "models" | "datasets", org, name, *rest]:
                    if (found := self._repository(f"{org}/{name}")) is not None:
                        self._api(f"{org}/{name}", found, rest)
                case "POST", [org, name, "info", "lfs", "objects", "batch"]:
                    if self._repository(f"{org}/{name.removesuffix('.git')}") is not None:
                        self._batch(json.loads(self._body()))
                case "PUT", ["lfs", oid]:
                    content = self._body()
                    well = hashlib.sha256(content).hexdigest() == oid
                    state.objects |= {oid: content} if well else {}
                    self._send(200 if well else 400, {})
                case "GET" | "HEAD", ["lfs", oid]:
                    self._send(200, state.objects[oid], {"ETag": f'"{oid}"'})
                case "GET" | "HEAD", [org, name, "resolve", revision, *path]:
                    if (found := self._repository(f"{org}/{name}")) is not None:
                        self._resolve(found, revision, "/".join(path))
                case _:
                    self._body()
                    self._fail(404, "NotFound", f"{self.command} {url.path}")

        do_GET = do_HEAD = do_POST = do_PUT = _handle

        def _create(self, asked: dict[str, Any]) -> None:
            name = f"{asked['organization']}/{asked['name']}"
            if name in state.repositories:
                self._send(409, {"error": "You already created this model repo", "url": f"{state.url}/{name}"})
                return
            state.repositories[name] = Repository(asked.get("visibility") == "private")
            state.repositories[name].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
            self._send(200, {"url": f"{state.url}/{name}"})

        def _api(self, name: str, found: Repository, rest: list[str]) -> None:
            match self.command, rest:
                case "GET", [] | ["revision", _]:
                    revision = rest[1] if rest else "main"
                    if (commit := found.at(revision)) is None:
                        self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
                        return
                    siblings = [{"rfilename": path} for path in found.commits[commit]]
                    self._send(200, {"id": name, "sha": commit, "private": found.private, "siblings": siblings})
                case "GET", ["refs"]:
                    refs = [{"name": n, "ref": f"refs/{n}", "targetCommit": c} for n, c in found.refs.items()]
                    tags = [ref for ref in refs if ref["name"] != "main"]
                    branches = [ref for ref in refs if ref["name"] == "main"]
                    self._send(200, {"branches": branches, "converts": [], "tags": tags})
                case "GET", ["tree", revision, *_]:
                    commit = found.at(revision)
                    assert commit is not None
                    self._send(200, [_listed(path, content) for path, content in found.commits[commit].items()])
                case "POST", ["preupload", revision]:
                    commit = found.at(revision)
                    assert commit is not None
                    self._send(
                        200, {"files": [_mode(f, found.commits[commit]) for f in json.loads(self._body())["files"]]}
                    )
                case "POST", ["commit", revision]:
                    self._commit(name, found, revision)
                case "POST", ["tag", revision]:
                    commit = found.at(revision)
                    assert commit is not None
                    found.refs[json.loads(self._body())["tag"]] = commit
                    self._send(200, {})
                case _:
                    self._body()
                    self._fail(404, "NotFound", "/".join(rest))

        def _batch(self, asked: dict[str, Any]) -> None:
            objects = []
            for one in asked["objects"]:
                there = one["oid"] in state.objects
                upload = {"upload": {"href": f"{state.store}/lfs/{one['oid']}"}}
                objects.append(one | ({} if there else {"actions": upload}))
            self._send(200, {"transfer": "basic", "objects": objects})

        def _commit(self, name: str, found: Repository, revision: str) -> None:
            commit = found.at(revision)
            assert commit is not None
            files = dict(found.commits[commit])
            for line in self._body().splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = state.objects[value["oid"]]
                elif entry["key"] == "deletedFile":
                    del files[value["path"]]
            oid = found.commit(files, revision)
            self._send(200, {"commitUrl": f"{state.url}/{name}/commit/{oid}", "commitOid": oid, "hookOutput": ""})

        def _resolve(self, found: Repository, revision: str, path: str) -> None:
            commit = found.at(revision)
            if commit is None or path not in found.commits[commit]:
                code = "RevisionNotFound" if commit is None else "EntryNotFound"
                self._fail(404, code, f"{path} is not there")
                return
            content, about = found.commits[commit][path], {"X-Repo-Commit": commit}
            if not is_lfs(path):
                self._send(200, content, about | {"ETag": f'"{blob_id(content)}"'})
                return
            oid = hashlib.sha256(content).hexdigest()
            linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
            self._send(302, b"", about | linked | {"Location": f"{state.store}/lfs/{oid}"})

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 64

    http = Quiet(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    state.store = state.url.replace("127.0.0.1", "localhost")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()


def _listed(path: str, content: bytes) -> dict[str, Any]:
    lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    plain = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
    return plain | ({"lfs": lfs} if is_lfs(path) else {})


def _mode(file: dict[str, Any], there: dict[str, bytes]) -> dict[str, Any]:
    path = file["path"]
    known = blob_id(there[path]) if path in there and not is_lfs(path) else None
    return {"path": path, "uploadMode": "lfs" if is_lfs(path) else "regular", "shouldIgnore": False, "oid": known}
