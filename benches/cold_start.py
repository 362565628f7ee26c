#!/usr/bin/env python3
"""A Lambda binary's start, alternating between binaries: exec to first poll of the runtime API, then its first and second
event, from handing it over to the answer.

    benches/cold_start.py target/release/lambda_api [OTHER ...] [--runs 50] [--event events/api-gateway-http-v2.json]
        [--s3 http://127.0.0.1:5566]

With --s3, the address of a server in the place of S3 (moto), the first event that needs storage follows: a result that is not
there is asked for, as the first request for one would. Such an event makes the client, signs, connects and asks twice. Give a
hello-world lambda_http binary as OTHER for the comparison of docs/. Standard library only.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import time


class Runtime:
    """The runtime API: one connection at a time, as the function opens them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.settimeout(60)
        self.connection = None

    def request(self):
        """The next request's head, and its body read to the end."""
        while True:
            if self.connection is None:
                self.connection, _ = self.listener.accept()
                self.connection.settimeout(60)
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = b""
            while b"\r\n\r\n" not in data:
                piece = self.connection.recv(65536)
                if not piece:
                    break
                data += piece
            if data:
                break
            self.close()
        head, body = data.split(b"\r\n\r\n", 1)
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += self.connection.recv(65536)
        elif b"content-length:" in lower:
            length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += self.connection.recv(65536)
        return head.split(b"\r\n")[0].decode(), body

    def hand_over(self, number, event):
        deadline = int((time.time() + 29) * 1000)
        self.connection.sendall((
            f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {number}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(event)}\r\n\r\n").encode() + event)

    def accepted(self):
        self.connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def run(binary, events, variables):
    """Milliseconds to the first poll and of each event, and megabytes resident at the first poll."""
    runtime = Runtime()
    environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % runtime.listener.getsockname()[1],
                   "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                   "AWS_LAMBDA_FUNCTION_VERSION": "1", "API_KEY": "local-key", **variables}
    start = time.perf_counter()
    process = subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times = []
    try:
        line, _ = runtime.request()
        times.append(time.perf_counter() - start)
        assert "/runtime/invocation/next" in line, line
        resident = next(int(line.split()[1]) for line in open(f"/proc/{process.pid}/status") if line.startswith("VmRSS"))
        for number, event in enumerate(events):
            start = time.perf_counter()
            runtime.hand_over(number, event)
            line, body = runtime.request()
            times.append(time.perf_counter() - start)
            assert line.startswith("POST") and line.split()[1].endswith("/response"), (line, body)
            status = json.loads(body[body.index(b"{"):body.rindex(b"}") + 1])["statusCode"]
            assert status in (200, 404), body
            runtime.accepted()
            line, _ = runtime.request()
            assert "/runtime/invocation/next" in line, line
    finally:
        process.kill()
        process.wait()
        runtime.close()
        runtime.listener.close()
    return [seconds * 1000 for seconds in times], resident / 1024


def stored(event):
    """The event, asking for a result that is not there instead."""
    event = json.loads(event)
    path = "/v1/results/00000000-0000-4000-8000-000000000000"
    event |= {"rawPath": path, "routeKey": "ANY /{proxy+}", "body": None, "isBase64Encoded": False}
    event["requestContext"]["http"] |= {"method": "GET", "path": path}
    return json.dumps(event).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="+")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--event", default="events/api-gateway-http-v2.json", help="an HTTP API event (v2) that is answered 200")
    parser.add_argument("--s3", help="address of a server in the place of S3; for binaries built with the feature s3")
    args = parser.parse_args()
    event = open(args.event, "rb").read()
    events, names, variables = [event, event], ["first poll", "first event", "second event"], {}
    if args.s3:
        asking = stored(event)
        events += [asking, asking]
        names += ["first of S3", "second of S3"]
        variables = {"AWS_ENDPOINT_URL": args.s3, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local",
                     "AWS_SECRET_ACCESS_KEY": "local", "UPLOADS_BUCKET": "voxproof-uploads", "RESULTS_BUCKET": "voxproof-results"}
    results = {binary: [] for binary in args.binary}
    for _ in range(args.runs):
        for binary in args.binary:
            results[binary].append(run(binary, events, variables))
    for binary, runs in results.items():
        resident = statistics.median(megabytes for _, megabytes in runs)
        print(f"{binary}: {os.path.getsize(binary) / 1e6:.2f} MB on disk, {resident:.1f} MB resident, {len(runs)} runs")
        for name, column in zip(names, zip(*(times for times, _ in runs))):
            print(f"    {name:13} median {statistics.median(column):7.2f} ms, least {min(column):7.2f}, most {max(column):7.2f}")


if __name__ == "__main__":
    main()
