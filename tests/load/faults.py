#!/usr/bin/env python3
"""What the network and the machine do to a server on bad days, one fault after another, each on the real process.

    faults.py --bin target/quick/voxproof [--only TEXT]
"""
import argparse
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from service import CLIPS, KEYS, Service

CLIP = min(CLIPS, key=len)
SKIPPED = []


def connect(service):
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def head(length="", more=""):
    length = f"Content-Length: {length}\r\n" if length != "" else ""
    return f"POST /detect HTTP/1.1\r\nHost: here\r\nX-API-Key: {KEYS[0]}\r\nContent-Type: audio/mpeg\r\n{length}{more}\r\n".encode()


def well(service):
    """That it judges as ever."""
    status, _, verdict = service.ask(body=CLIP)
    assert status == 200 and verdict["classification"] in ("HUMAN", "AI_GENERATED"), (status, verdict)


def status_of(client):
    """Of the answer on a connection that asked; the answer is read to its end."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer.status


def settled(service, descriptors, patience=20):
    """That what connections took was given back."""
    end = time.monotonic() + patience
    while service.descriptors() > descriptors + 2:
        assert time.monotonic() < end, f"{service.descriptors()} descriptors, {descriptors} before"
        time.sleep(0.1)


def slow_heads(binary):
    """500 clients send their request's head a letter at a time"""
    with Service(binary) as service:
        slow = [connect(service) for _ in range(500)]
        for letter in head(10)[:6]:
            for client in slow:
                client.send(bytes([letter]))
            well(service)
        for client in slow:
            client.close()
        well(service)
        return 500


def slow_bodies(binary):
    """300 clients announce 10 MB and send a byte now and then"""
    with Service(binary) as service:
        well(service)
        before = service.resident()
        slow = [connect(service) for _ in range(300)]
        for client in slow:
            client.send(head(10_000_000) + b"\xff")
        for _ in range(4):
            for client in slow:
                client.send(b"\xfb")
            well(service)
        grown = service.resident() - before
        assert grown < 60, f"{grown:.0f} MB for what was only announced"
        return 300


def endless_bodies(binary):
    """a body without a length that never ends"""
    with Service(binary) as service:
        client = connect(service)
        client.send(head(more="Transfer-Encoding: chunked\r\n"))
        sent = 0
        try:
            while sent < 100 << 20:
                client.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        except OSError:
            pass
        assert sent < 40 << 20, f"{sent} bytes were taken"
        well(service)
        return 1


def many_bodies(binary):
    """60 clients send 9 MB each, all but the last byte: more than bodies may take of the memory"""
    # Refusals come when the rest of the body was waited for, as every answer to an unread body does: after 30 s.
    with Service(binary) as service:
        well(service)
        before = service.resident()
        statuses = []

        def send():
            with connect(service) as client:
                client.sendall(head(9_000_000))
                try:
                    client.sendall(bytes(8_999_999))
                    client.settimeout(45)
                    statuses.append(client.recv(12))
                except OSError:
                    statuses.append(b"")
        threads = [threading.Thread(target=send) for _ in range(60)]
        for thread in threads:
            thread.start()
        highest = before
        while any(thread.is_alive() for thread in threads):
            highest = max(highest, service.resident())
            time.sleep(0.02)
        refused = sum(status == b"HTTP/1.1 503" for status in statuses)
        assert refused > 10, f"{refused} of 60 were refused"
        assert highest - before < 420, f"{highest - before:.0f} MB"
        well(service)
        return 60


def idle(binary):
    """1,000 idle connections"""
    with Service(binary) as service:
        well(service)
        before, descriptors = service.resident(), service.descriptors()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
        clients = [connect(service) for _ in range(1000)]
        for client in clients[::2]:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.recv(15).startswith(b"HTTP/1.1 200")
        well(service)
        grown = service.resident() - before
        assert grown < 60, f"{grown:.0f} MB"
        for client in clients:
            client.close()
        settled(service, descriptors)
        return 1000


def aborted(binary):
    """300 uploads that are broken off half-way, with a reset"""
    with Service(binary) as service:
        well(service)
        before, descriptors = service.resident(), service.descriptors()
        for number in range(300):
            client = connect(service)
            client.sendall(head(len(CLIP)) + CLIP[:len(CLIP) * (number % 10) // 10])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        well(service)
        settled(service, descriptors)
        grown = service.resident() - before
        assert grown < 40, f"{grown:.0f} MB"
        return 300


def gone_readers(binary):
    """100 callers that hang up when their clip was sent"""
    with Service(binary) as service:
        descriptors = service.descriptors()
        for _ in range(100):
            client = connect(service)
            client.sendall(head(len(CLIP)) + CLIP)
            client.close()
        end = time.monotonic() + 60
        while True:
            status, headers, _ = service.ask(body=CLIP)
            assert status == 200 or headers["retry-after"] == "1"
            if status == 200:
                break
            assert time.monotonic() < end
        settled(service, descriptors)
        return 100


def terminated(binary):
    """SIGTERM while 30 callers wait, and 10 are connected that ask afterwards"""
    with Service(binary) as service:
        clip = max(CLIPS, key=len)
        callers, late = ([connect(service) for _ in range(number)] for number in (30, 10))
        for client in callers:
            client.sendall(head(len(clip)) + clip)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        try:
            connect(service).close()
            refused = service.process.poll() is not None
        except OSError:
            refused = True
        assert refused, "connections are accepted after SIGTERM"
        for client in late:
            client.sendall(head(len(clip)) + clip)
        statuses = [status_of(client) for client in callers + late]
        assert set(statuses) <= {200, 503}, statuses
        assert service.process.wait(30) == 0
        return len(statuses)


def disk_full(binary):
    """uploads when nothing more can be written"""
    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    with tempfile.TemporaryDirectory() as folder, Service(binary, small_files, DATA_DIR=folder) as service:
        for number in range(5):
            wanted = json.dumps({"content_type": "audio/mpeg", "content_length": len(CLIP)})
            status, _, address = service.ask(path="/uploads", body=wanted, kind="application/json")
            assert status == 201, address
            path = address["url"].split("/", 3)[3]
            status, headers, problem = service.ask("PUT", "/" + path, CLIP, key=None)
            assert (status, problem["code"]) == (503, "storage_unavailable"), problem
            assert folder not in json.dumps(problem), "what is internal is told"
            status, _, state = service.ask("GET", f"/results/{address['id']}")
            assert (status, state["status"]) == (202, "awaiting_upload"), state
        left = [name for _, _, names in os.walk(folder) for name in names if "~unfinished" in name]
        assert not left, left
        well(service)
        return 5


def no_descriptors(binary):
    """all file descriptors taken, then given back"""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with Service(binary, few) as service:
        clients = []
        for _ in range(120):
            clients.append(connect(service))
        time.sleep(1)
        assert service.process.poll() is None
        for client in clients:
            client.close()
        well(service)
        return 120


def wrong_protocols(binary):
    """200 connections that speak something else"""
    greetings = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100, b"SSH-2.0-x\r\n",
                 b"GET / HTTP/9.9\r\n\r\n", b"\0" * 1000, b"POST /detect HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"POST /detect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nabcdefg",
                 b"POST /detect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET /health HTTP/1.1\r\n" + b"X-A: " + b"a" * 1_000_000, b"GET /health HTTP/1.1\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n"]
    with Service(binary) as service:
        descriptors = service.descriptors()
        for number in range(200):
            client = connect(service)
            try:
                client.sendall(greetings[number % len(greetings)])
                client.shutdown(socket.SHUT_WR)
                client.settimeout(20)
                got = b""
                while piece := client.recv(65536):
                    got += piece
                if got.startswith(b"HTTP/1.1 "):
                    assert got[9:12] in (b"400", b"401", b"413", b"431", b"505"), (greetings[number % len(greetings)][:60], got[:80])
                    assert got.count(b"HTTP/1.1 ") == 1, "one request was read as two"
            except OSError as error:
                # The server hung up first, as it may; that it neither answers nor hangs up it may not.
                if isinstance(error, TimeoutError):
                    raise
            client.close()
        well(service)
        settled(service, descriptors)
        return 200


def redis_goes_and_comes(binary):
    """Redis killed, and started again"""
    if not shutil.which("redis-server"):
        SKIPPED.append("Redis (no redis-server)")
        return 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def redis():
        process = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tempfile.gettempdir())
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return process
            except OSError:
                time.sleep(0.05)

    def used(service):
        status, headers, _ = service.ask("GET", "/models")
        assert status == 200
        return 1000 - int(headers["ratelimit-remaining"])
    settings = {"REDIS_URL": f"redis://127.0.0.1:{port}", "RATE_LIMIT": "1000/h", "CACHE": "on"}
    process = redis()
    try:
        with Service(binary, **settings) as one, Service(binary, **settings) as other:
            assert (used(one), used(other), used(one)) == (1, 2, 3), "they count together"
            process.kill()
            process.wait()
            alone = [used(one) for _ in range(5)]
            assert alone == sorted(alone), alone
            well(one)
            process = redis()
            end = time.monotonic() + 30
            # Alone a server counts its own; together again, one sees what the other has counted since.
            while True:
                first = used(other)
                if used(one) > first and used(other) == first + 2:
                    break
                assert time.monotonic() < end, "they do not find Redis again"
                time.sleep(0.5)
            well(other)
    finally:
        process.kill()
        process.wait()
    return 2


FAULTS = [slow_heads, slow_bodies, endless_bodies, many_bodies, idle, aborted, gone_readers, terminated, disk_full, no_descriptors,
          wrong_protocols, redis_goes_and_comes]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    failed = False
    print("| fault | injected | stood |\n| --- | --- | --- |")
    for fault in FAULTS:
        if args.only not in fault.__name__:
            continue
        try:
            injected = fault(args.bin)
            if injected:
                print(f"| {fault.__doc__} | {injected} | yes |", flush=True)
        except AssertionError as error:
            failed = True
            print(f"| {fault.__doc__} | | no: {error} |", flush=True)
    for skipped in SKIPPED:
        print("SKIPPED:", skipped)
    sys.exit(failed)


if __name__ == "__main__":
    main()
