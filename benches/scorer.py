#!/usr/bin/env python3
"""The scorer binary against moto on this machine: clips a second, time of the first event, peak memory.

    .venv/bin/python benches/scorer.py target/release/lambda_scorer clip.mp3 [--clips 200] [--long three_hours.mp3]

Batches of ten, as SQS hands them over. The server in the place of S3 shares the cores, so processor seconds of the scorer
alone are printed as well. Needs moto and boto3: `make local-aws` installs them.
"""
import argparse
import importlib.machinery
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parent.parent
PORT = 5577


def load(path):
    loader = importlib.machinery.SourceFileLoader("local_aws", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("local_aws", loader))
    loader.exec_module(module)
    return module


local_aws = load(ROOT / "scripts/local-aws")


class Scorer:
    """One instance; `started` is the time until its first poll, in seconds."""

    def __init__(self, binary):
        self.function = local_aws.Lambda()
        environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.function.server_port,
                       "AWS_LAMBDA_FUNCTION_NAME": "scorer", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
                       "AWS_LAMBDA_FUNCTION_VERSION": "1", "RESULTS_BUCKET": "results-bucket", "LOG_LEVEL": "warn"}
        self.process = subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL)

    def invoke(self, event):
        start = time.perf_counter()
        answer = self.function.invoke(event)
        if answer and answer.get("batchItemFailures"):
            sys.exit(f"the scorer failed: {answer}")
        return time.perf_counter() - start

    def cpu(self):
        """Seconds that its threads have run."""
        return sum(int(open(f"{task}/schedstat").read().split()[0]) for task in
                   Path(f"/proc/{self.process.pid}/task").iterdir()) / 1e9

    def peak(self):
        lines = open(f"/proc/{self.process.pid}/status")
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.function.shutdown()


def event(objects):
    return {"Records": [{
        "messageId": key, "eventSource": "aws:sqs", "body": local_aws.json.dumps({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "calls"}, "object": {"key": key, "size": size, "eTag": etag}},
        }]}),
    } for key, size, etag in objects]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("clip")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--long", help="a recording of hours")
    args = parser.parse_args()
    endpoint = f"http://127.0.0.1:{PORT}"
    os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1",
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}
    moto = subprocess.Popen([Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(PORT)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        local_aws.wait_for(f"{endpoint}/moto-api/", moto)
        s3 = boto3.client("s3")
        for bucket in ("calls", "results-bucket"):
            s3.create_bucket(Bucket=bucket)

        def put(key, body):
            return key, len(body), s3.put_object(Bucket="calls", Key=key, Body=body)["ETag"].strip('"')

        clip = Path(args.clip).read_bytes()
        runs = []
        for run in range(10):
            scorer = Scorer(args.binary)
            times = []
            # An event without an object: the start of the process, S3 not used.
            for happening in ({"Event": "s3:TestEvent"}, *(event([put(f"{run}-{i}", clip)]) for i in range(2))):
                before = scorer.cpu()
                wall = scorer.invoke(happening)
                times += wall * 1e3, (scorer.cpu() - before) * 1e3
            runs.append(times)
            scorer.stop()
        wall0, cpu0, wall1, cpu1, wall2, cpu2 = (statistics.median(column) for column in zip(*runs))
        print("one clip, median of 10 instances, wall / processor ms: "
              f"start {wall0:.1f} / {cpu0:.1f}, first object {wall1:.1f} / {cpu1:.1f}, second {wall2:.1f} / {cpu2:.1f}")

        objects = [put(f"clip-{i}", clip) for i in range(args.clips)]
        scorer = Scorer(args.binary)
        scorer.invoke(event([put("warm", clip)]))
        cpu, start = scorer.cpu(), time.perf_counter()
        for i in range(0, len(objects), 10):
            scorer.invoke(event(objects[i:i + 10]))
        wall, cpu = time.perf_counter() - start, scorer.cpu() - cpu
        print(f"{args.clips} clips: {args.clips / wall:.1f} a second, {cpu / args.clips * 1e3:.1f} ms of processor time each, "
              f"peak {scorer.peak():.0f} MB")
        scorer.stop()

        if args.long:
            body = Path(args.long).read_bytes()
            scorer = Scorer(args.binary)
            wall = scorer.invoke(event([put("long", body)]))
            result = local_aws.json.loads(next(
                s3.get_object(Bucket="results-bucket", Key=item["Key"])["Body"].read()
                for item in s3.list_objects_v2(Bucket="results-bucket", Prefix="results/calls/long/")["Contents"]))
            print(f"{result['duration_seconds'] / 3600:.2f} h in {len(body) / 1e6:.0f} MB: {wall:.1f} s, {scorer.cpu():.1f} s of "
                  f"processor time, peak {scorer.peak():.0f} MB, {len(result['segments'])} segments")
            scorer.stop()
    finally:
        moto.terminate()
        moto.wait()


main()
