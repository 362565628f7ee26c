#!/usr/bin/env python3
"""Time from starting a Lambda binary to its first poll of the runtime API, alternating between binaries.

    benches/cold_start.py target/release/lambda_api [OTHER ...] [--runs 50]

Give a hello-world lambda_http binary as OTHER for the comparison of docs/. Standard library only.
"""
import argparse
import os
import socket
import statistics
import subprocess
import time


def first_poll(listener, binary):
    """Milliseconds from the start of `binary` to the first bytes that it sends to the runtime API."""
    address = "127.0.0.1:%d" % listener.getsockname()[1]
    environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": address, "API_KEY": "key", "AWS_LAMBDA_FUNCTION_NAME": "f",
                   "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_FUNCTION_VERSION": "1"}
    start = time.perf_counter()
    process = subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        connection, _ = listener.accept()
        request = connection.recv(64)
        elapsed = time.perf_counter() - start
        assert b"/runtime/invocation/next" in request, request
        resident = next(int(line.split()[1]) for line in open(f"/proc/{process.pid}/status") if line.startswith("VmRSS"))
        connection.close()
    finally:
        process.kill()
        process.wait()
    return elapsed * 1000, resident / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="+")
    parser.add_argument("--runs", type=int, default=50)
    args = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.settimeout(30)
    results = {binary: [] for binary in args.binary}
    for _ in range(args.runs):
        for binary in args.binary:
            results[binary].append(first_poll(listener, binary))
            # What the killed process still had in the queue is not the next one's.
            listener.setblocking(False)
            try:
                while True:
                    listener.accept()[0].close()
            except BlockingIOError:
                pass
            listener.settimeout(30)
    print(f"{'binary':40} {'min ms':>8} {'median':>8} {'max':>8} {'MB resident':>12} {'MB on disk':>11}")
    for binary, runs in results.items():
        times = [ms for ms, _ in runs]
        print(f"{binary:40} {min(times):8.2f} {statistics.median(times):8.2f} {max(times):8.2f} "
              f"{statistics.median(mb for _, mb in runs):12.1f} {os.path.getsize(binary) / 1e6:11.2f}")


if __name__ == "__main__":
    main()
