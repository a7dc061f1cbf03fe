"""A Python service to take profiles of: /debug/memory behind a key, as the
FastAPI services of the sample world have it, and files of cProfile and, where
it is installed, of yappi, written once into the folder named.

Prints its address and runs until its standard input ends.
"""
import cProfile
import json
import os
import sys
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEEP = []


def hoard():
    """What the tracemalloc endpoint should name first."""
    for _ in range(2000):
        KEEP.append(bytearray(4096))


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Cart:
    def __init__(self, lines):
        self.lines = [Line(i) for i in range(lines)]

    def price(self):
        return sum(line.price() for line in self.lines)


class Line:
    def __init__(self, n):
        self.n = n

    def price(self):
        return len(json.dumps({"line": self.n, "tags": ["a"] * 20}))


def serve():
    """What the profilers see: recursion, methods of one name, built-ins."""
    fib(25)
    return [Cart(40).price() for _ in range(600)]


def write_cprofile(path):
    profile = cProfile.Profile()
    profile.runcall(serve)
    profile.dump_stats(path)


def write_yappi(folder):
    try:
        import yappi
    except ImportError:
        return  # it is not in the standard library
    yappi.set_clock_type("cpu")
    yappi.start(builtins=True)
    serve()
    yappi.stop()
    stats = yappi.get_func_stats()
    stats.save(os.path.join(folder, "yappi.pstat"), type="pstat")
    stats.save(os.path.join(folder, "yappi.callgrind"), type="callgrind")


class Handler(BaseHTTPRequestHandler):
    key = "s3cr3t"

    def do_GET(self):
        if self.path != "/debug/memory":
            return self.answer(404, {"detail": "Not Found"})
        given = self.headers.get("api-key")
        if given is None:
            return self.answer(422, {"detail": [{"type": "missing", "loc": ["header", "api-key"], "msg": "Field required"}]})
        if given != self.key:
            return self.answer(403, {"detail": "Forbidden"})
        stats = tracemalloc.take_snapshot().statistics("traceback")[:20]
        self.answer(200, [{"file": s.traceback.format()[0], "size_kb": s.size / 1024, "count": s.count} for s in stats])

    def answer(self, code, body):
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


def main():
    if len(sys.argv) > 1:
        write_cprofile(os.path.join(sys.argv[1], "cprofile.pstats"))
        write_yappi(sys.argv[1])
    tracemalloc.start()
    hoard()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print("127.0.0.1:%d" % server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
