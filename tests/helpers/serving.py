"""A server on this machine that serves files, and fails in the ways that servers do."""

import hashlib
import json
import re
import struct
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote
from zlib import crc32

from xsleep.core import files

TOKEN = "42-secret/token"
"""Token of NSRR that the server accepts."""

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


class Server(ThreadingHTTPServer):
    """Serves ``files`` (path to content).

    Attributes:
        faults: path to what goes wrong with it, one of the methods of `_Handler` each time it is
            asked for, until none is left.
        ranges: whether parts of files are served.
        asked: how often each path was asked for; ``parts``: the Range headers of each.
    """

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(files)
        self.faults = {}
        self.ranges = True
        self.asked = Counter()
        self.parts = {}
        self.headers = {}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked[self.path] += 1
        self.server.parts.setdefault(self.path, []).append(self.headers.get("Range"))
        faults = self.server.faults.get(self.path)
        if faults:
            fault, *arguments = faults.pop(0)
            getattr(self, fault)(*arguments)
        elif self.path in self.server.files:
            self.whole()
        else:
            self.status(404)

    def whole(self, cut=None, offset_error=0):
        """The file from where it is asked for, of which ``cut`` bytes are sent."""
        content = self.server.files[self.path]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked and self.server.ranges else 0
        if start >= len(content) > 0:
            return self.status(416)
        self.send_response(206 if start else 200)
        if start:
            size = len(content)
            self.send_header("Content-Range", f"bytes {start + offset_error}-{size - 1}/{size}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][:cut])
        self.wfile.flush()
        self.close_connection = True

    def truncate(self, count):
        self.whole(cut=count)

    def stall(self, count):
        """Send so many bytes, and then nothing until the client goes away."""
        self.whole(cut=count)
        with suppress(ConnectionError):
            self.connection.recv(1)

    def hold(self, waits):
        """Send the file once it may: ``waits`` returns."""
        waits()
        self.whole()

    def another_part(self):
        self.whole(offset_error=1)

    def cut_without_saying(self, count):
        """No Content-Length: the end of the connection is the end of the file."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.files[self.path][:count])

    def changed(self):
        """Another content of the same length."""
        content = self.server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(bytes(len(content)))

    def login(self, kind="text/html; charset=utf-8"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def redirect(self):
        """To the login page, with all that was asked for in its address."""
        self.server.files[f"/login?from={self.path}"] = PAGE
        self.server.faults[f"/login?from={self.path}"] = [("login",)]
        self.send_response(302)
        self.send_header("Location", f"/login?from={self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def sent_on(self, address):
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def damaged_header(self):
        """The file after a header that is none, of which urllib3 warns with the address."""
        self.wfile.write(b"HTTP/1.0 200 OK\r\nno header\r\n\r\n")
        self.wfile.write(self.server.files[self.path])

    def status(self, code):
        self.send_response(code)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def tree(folder):
    """Path below a folder to content of all of its files."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def physionet(folder, below="training"):
    """Return what PhysioNet serves for a database, from the folder of what is ``below``."""
    files = {f"{below}/{name}": content for name, content in tree(folder).items()}
    sums = [f"{hashlib.sha256(content).hexdigest()} {name}" for name, content in files.items()]
    sums = "\n".join([f"{'0' * 64} RECORDS", *sums, f"{'0' * 64} test/te03-0078/te03-0078.mat"])
    return {f"/{name}": content for name, content in files.items()} | {
        "/SHA256SUMS.txt": f"{sums}\n".encode()
    }


def zenodo(**archives):
    """Return what Zenodo serves for DREAMS, with these archives in place of its own."""
    names = {f"{name}.rar": content for name, content in archives.items()}
    record = {
        "files": [
            {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
            }
            for name, content in names.items()
        ]
    }
    return {f"/records/2650142/files/{name}": content for name, content in names.items()} | {
        "/api/records/2650142": json.dumps(record).encode()
    }


def nsrr(folder, dataset="shhs", folders=("edfs/shhs1", "annotations-events-nsrr/shhs1")):
    """Return what NSRR serves of a dataset with the token, from ``polysomnography``."""
    files = {f"polysomnography/{name}": content for name, content in tree(folder).items()}
    token = quote(TOKEN, safe="")
    served = {
        f"/datasets/{dataset}/files/a/{token}/m/xsleep/{name}": content
        for name, content in files.items()
    }
    for path in (f"polysomnography/{one}".rstrip("/") for one in folders):
        listed = [
            {
                "full_path": name,
                "folder": f"{path}/",
                "file_name": name.rpartition("/")[2],
                "is_file": True,
                "file_size": len(content),
                "file_checksum_md5": hashlib.md5(content).hexdigest(),
            }
            for name, content in files.items()
            if name.startswith(f"{path}/")
        ]
        listed.append({"full_path": f"{path}/old", "is_file": False})
        address = f"/api/v1/datasets/{dataset}/files.json?path={path}"
        served[f"{address}&auth_token={token}"] = json.dumps(listed).encode()
    return served


def rar(files):
    """A RAR 5 archive of these files (name to content), stored without compression."""

    def number(value):
        low, value = value & 127, value >> 7
        return bytes([low | 128]) + number(value) if value else bytes([low])

    def block(kind, flags, *fields, data=b""):
        size = number(len(data)) if flags & 2 else b""
        body = number(kind) + number(flags) + size + b"".join(fields)
        body = number(len(body)) + body
        return struct.pack("<I", crc32(body)) + body + data

    blocks = [b"Rar!\x1a\x07\x01\x00", block(1, 0, number(0))]
    for name, content in files.items():
        crc, name = struct.pack("<I", crc32(content)), name.encode()
        fields = [number(4), number(len(content)), number(0o100644), crc, number(0), number(1)]
        blocks.append(block(2, 2, *fields, number(len(name)), name, data=content))
    return b"".join([*blocks, block(5, 0, number(0))])


def two_at_once(server, path, monkeypatch, call):
    """Call a function in two threads; the server answers the first once the second waits for it."""
    begun, lock = threading.Semaphore(0), files.fcntl.flock

    def flock(file, operation):
        begun.release()
        lock(file, operation)

    monkeypatch.setattr(files.fcntl, "flock", flock)
    server.faults[path] = [("hold", lambda: begun.acquire() and begun.acquire())]
    runs = [threading.Thread(target=call) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
