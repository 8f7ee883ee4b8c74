"""What the trials share: a PostgreSQL, servers as real processes, clients of both wires, figures and checks.

A trial is a program `scripts/trials/NAME DURATION SEED`: seconds of load (30 where none is given) and the seed of what is
random. It prints its figures, ends with 0 where all it expects held, and with 1 and the reasons where not. It runs the build
in .build/debug, or the one that MUSTER_BIN names. Only the standard library is used, and a C compiler for Benchmarks/load.
"""
import asyncio
import ctypes
import glob
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("MUSTER_BIN", os.path.join(ROOT, ".build", "debug"))


class Trial:
    """Duration, seed, figures and checks of one run. Use as a context manager: what it started ends with it."""

    def __init__(self, name):
        self.name = name
        self.duration = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
        self.seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
        self.random = random.Random(self.seed)
        self.failures, self.enders = [], []
        self.folder = tempfile.mkdtemp(prefix="muster-trial.")
        os.chmod(self.folder, 0o755)
        print(f"{name}: {self.duration:g} s, seed {self.seed}", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for end in reversed(self.enders):
            try:
                end()
            except Exception as problem:  # the other enders must run too
                print(f"  ending: {problem}", file=sys.stderr)
        subprocess.run(["rm", "-rf", self.folder], check=False)
        if error is None:
            for failure in self.failures:
                print(f"FAILED {failure}")
            print(f"{self.name}: {'FAILED' if self.failures else 'passed'}", flush=True)
            sys.exit(1 if self.failures else 0)

    def figure(self, name, value, unit=""):
        text = f"{value:.3g}" if isinstance(value, float) and abs(value) < 100 else f"{value:,.0f}" if isinstance(value, float) else value
        print(f"  {name}: {text} {unit}".rstrip(), flush=True)

    def expect(self, is_so, what):
        if not is_so:
            self.failures.append(what)

    def expect_speed(self, is_so, what):
        """As `expect`, of an optimized build alone: a debug build reads JSON a few ten times as slowly."""
        if os.path.basename(os.path.realpath(BIN)) == "release":
            self.expect(is_so, what)
        elif not is_so:
            print(f"  not checked in a debug build: {what}", flush=True)

    def postgres(self, options="-c fsync=off -c full_page_writes=off", tcp=False):
        """A private PostgreSQL; its connection string as superuser. With `tcp` on 127.0.0.1 too, at the string's port."""
        home = os.path.join(self.folder, f"pg{len(self.enders)}")
        script = os.path.join(ROOT, "scripts", "postgres")
        url = subprocess.run([script, "start", home], check=True, text=True, stdout=subprocess.PIPE,
                             env={**os.environ, "PG_OPTIONS": options, **({"PG_PORT": "any"} if tcp else {})}).stdout.strip().splitlines()[-1]
        self.enders.append(lambda: subprocess.run([script, "remove", home], check=False, stdout=subprocess.DEVNULL))
        return url

    def migrated(self, url):
        """Brings the schema up; returns the connection string of the server's role."""
        run_server(url, "migrate", "--log-level", "warning")
        return f"{url} user=muster_server"

    def workspace(self, url, name):
        """Makes a workspace; returns the secret of its first key."""
        return json.loads(run_server(url, "workspace", "create", name, "--json"))["secret"]

    def restored(self, url, dump, name):
        """Restores a dump into a new database of the same cluster; its connection string."""
        run_postgres("psql", url, "-Xqc", f"CREATE DATABASE {name} TEMPLATE template0")
        copy = f"{url} dbname={name}"
        run_postgres("pg_restore", "--exit-on-error", "--dbname", copy, dump)
        run_server(copy, "migrate", "--log-level", "warning")
        return copy

    async def load(self, server, keys, calls, seconds, deadline, rate=0, in_flight=0, pause=0):
        """Sends calls by a program that costs little beside what it measures (Benchmarks/load); what became of them. `calls` are
        pairs of method and body. They come at a rate, or so many are in flight, with a pause after a refusal."""
        program = os.path.join(self.folder, "load")
        if not os.path.exists(program):
            sources = glob.glob(os.path.join(ROOT, "Benchmarks", "load", "*.c"))
            subprocess.run(["cc", "-O2", "-o", program, *sources], check=True)
        milliseconds = str(int(deadline * 1000))
        lines = [f'"method":"{method}","deadline_ms":{milliseconds},"body":{json.dumps(body)}}}' for method, body in calls]
        process = await asyncio.create_subprocess_exec(
            program, "offered", str(server.rpc), str(seconds), milliseconds, str(rate), str(in_flight), str(int(pause * 1000)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        output, _ = await process.communicate("\n".join([*keys, "", *lines, ""]).encode())
        if process.returncode != 0:
            raise RuntimeError(f"the load ended with {process.returncode}")
        return json.loads(output)

    def server(self, url, *arguments, wrapper=(), env=None, network=None):
        """Starts a server, in a network namespace where one is named; waits until it listens."""
        if network is not None:
            wrapper = ("ip", "netns", "exec", network, *wrapper)
        server = Server(self, url, arguments, wrapper, env)
        server.network = network
        self.enders.append(server.end)
        server.wait_until_listening()
        return server


def run_server(url, *arguments):
    return subprocess.run([os.path.join(BIN, "muster-server"), *arguments], check=True, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, "MUSTER_DATABASE_URL": url}).stdout


def postgres_cpu_seconds(url):
    """Of a PostgreSQL on this machine, with all its processes so far."""
    parent = psql(url, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if pid == parent:
            total += sum(int(field) for field in fields[11:15])
        elif fields[1] == parent:
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def run_postgres(program, *arguments):
    """A program of PostgreSQL, as new as the servers that `Trial.postgres` starts."""
    folder = subprocess.run([os.path.join(ROOT, "scripts", "postgres"), "bin"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    return subprocess.run([os.path.join(folder, program), *arguments], check=True, text=True, stdout=subprocess.PIPE).stdout


def psql(url, sql):
    return subprocess.run(["psql", url, "-XAtqc", sql], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


class Server:
    """A muster-server of its own process, on ports that the system chose."""

    def __init__(self, trial, url, arguments, wrapper, env):
        self.log_path = os.path.join(trial.folder, f"server{len(trial.enders)}.log")
        self.log_file = open(self.log_path, "w")
        ports = [f"--{listener}-port" for listener in ("listen", "rest", "ops")]
        command = [*wrapper, os.path.join(BIN, "muster-server"), "serve"]
        for port in ports:
            if port not in arguments:
                command += [port, "0"]
        self.process = subprocess.Popen([*command, *arguments], stderr=self.log_file, stdout=subprocess.DEVNULL,
                                        env={**os.environ, "MUSTER_DATABASE_URL": url, **(env or {})})
        self.pid, self.network = self.process.pid, None

    @property
    def log(self):
        return open(self.log_path, errors="replace").read()

    def wait_until_listening(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = dict(re.findall(r"(RPC|REST|Operations) listens.*:(\d+)", self.log))
            if len(found) == 3:
                self.rpc, self.rest, self.ops = (int(found[name]) for name in ("RPC", "REST", "Operations"))
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the server doesn't listen:\n{self.log}")

    def end(self, seconds=15):
        """SIGTERM, then SIGKILL; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log_file.close()
        return self.process.returncode

    def kill(self):
        """SIGKILL, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()
        self.log_file.close()

    @property
    def is_alive(self):
        return self.process.poll() is None

    def cpu_seconds(self):
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self):
        return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{self.pid}/status").read())[1]) / 1024

    def resident_mib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.pid}/status").read())[1]) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    async def probe(self, path="/readyz"):
        """Status, body and seconds of a request to the operators' listener."""
        started = time.monotonic()
        status, _, body = await http(self.ops, "GET", path, network=self.network)
        return status, body, time.monotonic() - started

    async def metric(self, name):
        """The sum of a metric's series whose line begins with `name`."""
        _, _, page = await http(self.ops, "GET", "/metrics", network=self.network)
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))


class Refused(Exception):
    """An error frame: code, message, details."""

    def __init__(self, error):
        super().__init__(error.get("code"))
        self.code, self.message, self.details = error["code"], error.get("message", ""), error.get("details", {})


class RPC:
    """A client of the frames, with any number of calls in flight."""

    @classmethod
    async def open(cls, port, key=None, host="127.0.0.1", limit=1 << 23, ssl=None, preamble=b"", network=None, window=None):
        """`ssl` is a context, for TLS; `preamble` goes before all else, as a proxy's header does."""
        self = cls()
        self.reader, self.writer = await connect(host, port, network, window, limit=limit, ssl=ssl)
        self.writer.write(preamble)
        self.waiters, self.next_id, self.goaway = {}, 1, None
        self.task = asyncio.ensure_future(self.read())
        if key is not None:
            await self.call("session.open", {"key": key})
        return self

    async def read(self):
        problem = ConnectionError("the server closed the connection")
        try:
            while True:
                _, length = struct.unpack(">BI", await self.reader.readexactly(5))
                message = json.loads(await self.reader.readexactly(length))
                if "ping" in message:
                    self.write({"pong": message["ping"]})
                elif "goaway" in message:
                    self.goaway = message["goaway"]
                elif message.get("id") in self.waiters:
                    waiter = self.waiters.pop(message["id"])
                    if waiter.done():
                        continue
                    if "error" in message:
                        waiter.set_exception(Refused(message["error"]))
                    else:
                        waiter.set_result(message["body"])
                elif "error" in message:
                    problem = Refused(message["error"])
        except (asyncio.IncompleteReadError, OSError):
            pass
        for waiter in self.waiters.values():
            if not waiter.done():
                waiter.set_exception(problem)
        self.waiters = {}

    def write(self, message):
        data = json.dumps(message).encode()
        self.writer.write(struct.pack(">BI", 0, len(data)) + data)

    def begin(self, method, body, deadline_ms=None):
        """Sends a call; returns its id and the future of its reply."""
        number, self.next_id = self.next_id, self.next_id + 1
        waiter = asyncio.get_running_loop().create_future()
        if self.task.done():
            waiter.set_exception(ConnectionError("the connection is closed"))
            return number, waiter
        self.waiters[number] = waiter
        message = {"id": number, "method": method, "body": body}
        if deadline_ms is not None:
            message["deadline_ms"] = deadline_ms
        self.write(message)
        return number, waiter

    async def call(self, method, body, deadline_ms=None):
        return await self.begin(method, body, deadline_ms)[1]

    def cancel(self, number):
        self.write({"cancel": number})

    async def close(self):
        self.writer.close()
        self.task.cancel()


async def connect(host, port, network=None, window=None, **options):
    """Reader and writer of a connection that is made in a network namespace, or in this process' own. `window` is how many bytes
    the system takes for the reader in advance."""
    if network is None:
        return await asyncio.open_connection(host, port, **options)
    # A thread of its own, whose namespace ends with it.
    made = await asyncio.to_thread(socket_in, network, host, port, window)
    return await asyncio.open_connection(sock=made, **options)


def socket_in(network, host, port, window=None):
    outcome = []

    def work():
        try:
            with open(f"/run/netns/{network}") as place:
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
                    raise OSError(ctypes.get_errno(), "setns")
            made = socket.socket()
            made.settimeout(10)
            if window is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            made.connect((host, port))
            outcome.append(made)
        except OSError as problem:
            outcome.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    outcome[0].setblocking(False)
    return outcome[0]


async def http(port, method, path, body=None, headers=None, host="127.0.0.1", ssl=None, preamble=b"", network=None):
    """One request on a connection of its own: status, headers in small letters, body."""
    reader, writer = await connect(host, port, network, ssl=ssl)
    try:
        writer.write(preamble)
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(data)}"]
        if data:
            lines.append("Content-Type: application/json")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if fields.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return int(first.split()[1]), fields, body.decode(errors="replace")


def unchunked(data):
    whole = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size.split(b";")[0], 16)
        if count == 0:
            break
        whole, data = whole + data[:count], data[count + 2:]
    return whole


def percentile(values, share):
    """Of values in any order; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Proxy:
    """Carries bytes between clients and a TCP port, or doesn't: `pass`, `deaf` (answers vanish), `silent` (all vanish, and connections
    stay) or `refuse`."""

    @classmethod
    async def start(cls, port, host="127.0.0.1"):
        self = cls()
        self.target, self.state, self.pairs = (host, port), "pass", set()
        self.may_pass = asyncio.Event()
        self.may_pass.set()
        self.listener = await asyncio.start_server(self.take, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]
        return self

    def set(self, state):
        self.state = state
        (self.may_pass.set if state == "pass" else self.may_pass.clear)()
        # What was silent is as lost as what is refused: nobody sends again what a proxy has swallowed.
        for writer in list(self.pairs) if state in ("pass", "refuse") else []:
            writer.transport.abort()

    async def take(self, reader, writer):
        self.pairs.add(writer)
        try:
            if self.state == "refuse":
                return writer.transport.abort()
            await self.may_pass.wait()
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            self.pairs.add(far_writer)
            try:
                await asyncio.gather(self.carry(reader, far_writer, ("pass", "deaf")), self.carry(far_reader, writer, ("pass",)))
            finally:
                self.pairs.discard(far_writer)
                far_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # a reset, or the end of the trial
        finally:
            self.pairs.discard(writer)
            writer.transport.abort()

    async def carry(self, reader, writer, states):
        while data := await reader.read(1 << 16):
            if self.state in states:
                writer.write(data)
                await writer.drain()
        if self.state in states:
            writer.write_eof()

    async def close(self):
        self.set("refuse")
        self.listener.close()
        # For the carriers to end by themselves.
        await asyncio.sleep(0.2)


class Netbox:
    """Two network namespaces, `near` and `far`, with a router between them that can make packets vanish without a word.

    Needs root and iproute2; `Netbox.problem()` says why there can be none here.
    """

    NEAR, FAR = "10.77.0.1", "10.77.1.1"

    @staticmethod
    def problem():
        name = f"muster-try-{os.getpid()}"
        try:
            tried = subprocess.run(["ip", "netns", "add", name], text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        except FileNotFoundError:
            return "there is no ip (Debian: apt-get install iproute2)"
        if tried.returncode != 0:
            return tried.stderr.strip()
        subprocess.run(["ip", "netns", "del", name], check=False)
        return None

    def __init__(self, trial):
        mark = f"m{os.getpid() % 100_000}"
        self.near, self.far, self.router = (f"{mark}{end}" for end in ("near", "far", "way"))
        trial.enders.append(self.remove)
        for network in (self.near, self.far, self.router):
            self.ip("netns", "add", network)
            self.within(network, "link", "set", "lo", "up")
        for number, network in enumerate((self.near, self.far)):
            self.ip("link", "add", f"{mark}e{number}", "netns", network, "type", "veth", "peer", "name", f"{mark}r{number}",
                    "netns", self.router)
            self.within(network, "addr", "add", f"10.77.{number}.1/24", "dev", f"{mark}e{number}")
            self.within(network, "link", "set", f"{mark}e{number}", "up")
            self.within(network, "route", "add", "default", "via", f"10.77.{number}.254")
            self.within(self.router, "addr", "add", f"10.77.{number}.254/24", "dev", f"{mark}r{number}")
            self.within(self.router, "link", "set", f"{mark}r{number}", "up")
        subprocess.run(["ip", "netns", "exec", self.router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True)

    def vanish(self):
        """From now on no packet arrives, either way, and nobody is told."""
        for address in (self.NEAR, self.FAR):
            self.within(self.router, "route", "add", "blackhole", f"{address}/32")

    def remove(self):
        for network in (self.near, self.far, self.router):
            subprocess.run(["ip", "netns", "del", network], check=False, stderr=subprocess.DEVNULL)

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True)

    def within(self, network, *arguments):
        self.ip("-n", network, *arguments)
