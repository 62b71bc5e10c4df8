"""Servers on loopback, one for each kind of remote that a team may share: OpenSSH, S3, WebDAV, HTTP, a folder.

Those in threads end with this process. The SSH daemon has one that ends it when this process is gone, however it went.
"""

# Of extras, which an installation may lack:
# pyright: reportMissingImports=false

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

HOST = "127.0.0.1"
KINDS = ("folder", "ssh", "s3", "webdav")  # that can be written
PASSWORD = "pass#word, of a/team=2"
ENDS_WITH_US = (
    "import subprocess, sys; from flows.around.watch import watch_parent; "
    "watch_parent(); sys.exit(subprocess.call(sys.argv[1:]))"
)


class Missing(Exception):
    """A program that a server needs; its message says which."""


class Objects(Protocol):
    """What a remote keeps, by the name of its content."""

    def read(self, oid: str) -> bytes: ...

    def write(self, oid: str, content: bytes) -> None: ...

    def names(self) -> set[str]:
        """Everything that is there, by its path from the remote's own."""
        ...


@dataclass(frozen=True)
class Remote:
    """Where a remote is, what a user must say to reach it, and what a mistaken user says."""

    url: str
    objects: Objects
    options: tuple[str, ...] = ()  # of ``prefactor share init --set``
    secrets: tuple[str, ...] = ()  # texts that nothing committed or printed may have
    mistakes: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # name -> URL, options


@dataclass(frozen=True)
class InFolder:
    """Objects that the server keeps as files."""

    folder: Path

    def read(self, oid: str) -> bytes:
        return self._path(oid).read_bytes()

    def write(self, oid: str, content: bytes) -> None:
        path = self._path(oid)
        mode = path.stat().st_mode
        path.chmod(0o644)
        path.write_bytes(content)
        path.chmod(mode)

    def names(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}

    def _path(self, oid: str) -> Path:
        return self.folder / "files" / "md5" / oid[:2] / oid[2:]


@dataclass(frozen=True)
class InBucket:
    """Objects of an S3 bucket."""

    client: Any
    bucket: str
    prefix: str

    def read(self, oid: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=self._key(oid))["Body"].read()

    def write(self, oid: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self._key(oid), Body=content)

    def names(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return {each["Key"].removeprefix(f"{self.prefix}/") for page in pages for each in page.get("Contents", [])}

    def _key(self, oid: str) -> str:
        return f"{self.prefix}/files/md5/{oid[:2]}/{oid[2:]}"


@contextmanager
def serve(kind: str, folder: Path) -> Iterator[Remote]:
    """A remote of this kind, which keeps what it needs in ``folder``; the server ends with the block.

    Raises:
        Missing: a program or package is not installed.
    """
    servers: dict[str, Callable[[Path], Any]] = {
        "folder": _folder, "ssh": _ssh, "s3": _s3, "webdav": _webdav, "http": _http,
    }  # fmt: skip
    with servers[kind](folder) as remote:
        yield remote


@contextmanager
def _folder(folder: Path) -> Iterator[Remote]:
    place = folder / "shared"
    mistakes = {"place": ("/dev/null/shared", ())}
    yield Remote(str(place), InFolder(place), mistakes=mistakes)


@contextmanager
def _http(folder: Path) -> Iterator[Remote]:
    """Whatever is in ``folder``, to read."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Remote(f"http://{HOST}:{server.server_port}", InFolder(folder))
        server.shutdown()


@contextmanager
def _webdav(folder: Path) -> Iterator[Remote]:
    _need("wsgidav", "cheroot")
    from cheroot.wsgi import Server
    from wsgidav.wsgidav_app import WsgiDAVApp

    served = folder / "dav"
    (served / "team").mkdir(parents=True)
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(served)},
            "simple_dc": {"user_mapping": {"*": {"ada": {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
        }
    )
    server = Server((HOST, 0), app)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    address = f"webdav://{HOST}:{server.bind_addr[1]}"
    yield Remote(
        f"{address}/team/cache", InFolder(served / "team" / "cache"), ("user=ada", f"password={PASSWORD}"), (PASSWORD,),
        {
            "password": (f"{address}/team/cache", ("user=ada", "password=hunter-2")),
            "place": (f"{address}/nowhere/cache", ("user=ada", f"password={PASSWORD}")),
        },
    )  # fmt: skip
    server.stop()


@contextmanager
def _s3(folder: Path) -> Iterator[Remote]:
    _need("moto", "boto3", "flask")
    import boto3
    import httpx
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(HOST, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"

    def client(name: str, key: str, secret: str) -> Any:
        return boto3.client(
            name, endpoint_url=address, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
        )

    httpx.post(f"{address}/moto-api/reset")  # what it keeps is this process's, and not the server's
    root = client("iam", "setup", "setup")
    root.create_user(UserName="ada")
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    root.put_user_policy(UserName="ada", PolicyName="all", PolicyDocument=policy)
    key = root.create_access_key(UserName="ada")["AccessKey"]
    client("s3", "setup", "setup").create_bucket(Bucket="team")
    httpx.post(f"{address}/moto-api/reset-auth", content=b"0")  # from now on it asks who it is
    own, secret = key["AccessKeyId"], key["SecretAccessKey"]
    options = (f"endpointurl={address}", f"access_key_id={own}", f"secret_access_key={secret}", "region=us-east-1")
    yield Remote(
        "s3://team/cache", InBucket(client("s3", own, secret), "team", "cache"), options, (own, secret),
        {
            "key": ("s3://team/cache", (*options[:1], "access_key_id=AKIAWRONG", "secret_access_key=hunter-2")),
            "bucket": ("s3://teem/cache", options),
        },
    )  # fmt: skip
    httpx.post(f"{address}/moto-api/reset-auth", content=b"inf")
    server.stop()


@contextmanager
def _ssh(folder: Path) -> Iterator[Remote]:
    """OpenSSH's own, as this user, who comes in by a key alone."""
    daemon = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if not daemon or not shutil.which("ssh-keygen"):
        raise Missing("sshd and ssh-keygen (OpenSSH's server)")
    _need("dvc_ssh")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd of root will not start without it
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = _free_port()
    settings = folder / "sshd_config"
    settings.write_text(
        f"ListenAddress {HOST}\nPort {port}\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    place = folder / "shared"
    user = getpass.getuser()
    url = f"ssh://{user}@{HOST}:{port}{place}"
    with (folder / "sshd.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", ENDS_WITH_US, daemon, "-D", "-e", "-f", str(settings)],
            cwd=Path(__file__).parent.parent, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    assert process.stdin is not None
    try:
        _wait_for(port, process, folder / "sshd.log")
        yield Remote(
            url, InFolder(place), (f"keyfile={folder / 'user'}",), (str(folder / "user"),),
            {"key": (url, (f"keyfile={folder / 'stranger'}",))},
        )  # fmt: skip
    finally:
        process.stdin.close()
        process.wait()


def _need(*packages: str) -> None:
    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise Missing(f"{', '.join(absent)} (make test-all installs it)")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise Missing(f"an sshd that starts: {log.read_text().strip()}")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise Missing("an sshd that answers within 30 s")
