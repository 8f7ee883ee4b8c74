"""A client of Muster, written from proto-docs/ with Python's standard library. One request at a time; Python 3.9 or later.

    with Client("127.0.0.1", 7878, key) as muster:
        muster.call("segments.size", {"segment_id": "win-back"})
"""

import json
import random
import socket
import struct
import time

FRAME_LIMIT = 4_194_304
# Calls that may be sent twice with the effect of one; others need a request_id (proto-docs/repeating.md).
REPEATABLE = {
    "server.health", "server.info", "keys.list", "keys.invalidate", "partners.set", "partners.list", "partners.get",
    "users.get", "users.export.ids", "users.export.get", "cohorts.create", "cohorts.get", "cohorts.list", "cohorts.members", "cohorts.diff", "cohorts.imports",
    "segments.update", "segments.get", "segments.list", "segments.size", "segments.check", "segments.explain", "segments.of",
    "segments.members", "segments.diff", "segments.data_series",
}


class MusterError(Exception):
    """A failed call (proto-docs/errors.md)."""

    def __init__(self, code, message, details=None):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.details = code, message, details or {}


class NotBegun(Exception):
    """The request certainly did not run, so any request may be sent again."""


class Client:
    """Connects on first use, and reconnects when the connection is lost."""

    def __init__(self, host, port, key, tls=None):
        """`tls`: an ssl.SSLContext, such as ssl.create_default_context(); None uses plaintext."""
        self._host, self._port, self._key, self._tls = host, port, key, tls
        self._socket, self._file, self._last_id = None, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._socket:
            self._file.close()
            self._socket.close()
        self._socket = self._file = None

    def call(self, method, body, seconds=60):
        """Makes a call and returns the body of its reply; retries it if that is safe, for this many seconds."""
        end, pause = time.monotonic() + seconds, 0.05
        is_safe = (method in REPEATABLE and "if_version" not in body) or "request_id" in body
        while True:
            wait = 0
            try:
                return self._attempt(method, body, end)
            except MusterError as error:
                wait = error.details.get("retry_after_ms", 0) / 1000
                passes = error.code in ("UNAVAILABLE", "ABORTED") or (error.code == "RESOURCE_EXHAUSTED" and wait > 0)
                failure, may_repeat = error, passes or (error.code == "UNKNOWN" and is_safe)
            except NotBegun as error:
                failure, may_repeat = MusterError("UNAVAILABLE", str(error)), True
            except OSError as error:
                self.close()
                failure, may_repeat = MusterError("UNKNOWN", f"the connection was lost: {error}"), is_safe
            wait += random.uniform(0, pause)
            if not may_repeat or time.monotonic() + wait >= end:
                raise failure
            time.sleep(wait)
            pause = min(pause * 2, 5)

    def pages(self, method, body, seconds=60):
        """The replies of a listing, page by page."""
        while True:
            page = self.call(method, body, seconds)
            yield page
            if "next_page_token" not in page:
                return
            body = {**body, "page_token": page["next_page_token"]}

    def _attempt(self, method, body, end):
        left = max(end - time.monotonic(), 0.001)
        try:
            if not self._socket:
                self._connect(left)
            self._socket.settimeout(left + 1)
        except OSError as error:
            self.close()
            raise NotBegun(f"can't connect: {error}") from error
        return self._exchange(method, body, int(left * 1000) + 1)

    def _connect(self, seconds):
        connection = socket.create_connection((self._host, self._port), timeout=min(seconds, 5))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_hostname=self._host)
        self._socket, self._file, self._last_id = connection, connection.makefile("rb"), 0
        try:
            self._exchange("session.open", {"key": self._key}, 10_000)
        except MusterError as error:
            if error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
                raise NotBegun(str(error)) from error
            raise

    def _exchange(self, method, body, milliseconds):
        self._last_id += 1
        message_id, is_going = self._last_id, False
        self._send({"id": message_id, "method": method, "deadline_ms": milliseconds, "body": body})
        while True:
            message = self._receive()
            if "ping" in message:
                self._send({"pong": message["ping"]})
            elif "goaway" in message:
                if message["goaway"]["last_id"] < message_id:
                    self.close()
                    raise NotBegun(message["goaway"]["reason"])
                is_going = True  # The answer still comes, or the connection ends.
            elif message.get("id") in (message_id, 0):
                if is_going or message["id"] == 0 or (method == "session.open" and "error" in message):
                    self.close()
                if "error" in message:
                    error = message["error"]
                    raise MusterError(error["code"], error["message"], error.get("details"))
                return message["body"]

    def _send(self, message):
        data = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if len(data) > FRAME_LIMIT:
            raise ValueError(f"a message of {len(data)} bytes is longer than a frame: send less at a time")
        self._socket.sendall(struct.pack(">BI", 0, len(data)) + data)

    def _receive(self):
        flags, length = struct.unpack(">BI", self._read(5))
        if flags != 0 or length > FRAME_LIMIT:
            raise OSError("the peer speaks another protocol")
        return json.loads(self._read(length))

    def _read(self, count):
        data = self._file.read(count)
        if len(data) < count:
            raise ConnectionError("it ended")
        return data
