#!/usr/bin/env python3
"""More callers than a server has room for, for minutes: memory must stay flat, every refusal be 503 with Retry-After, waits be
bounded by the queue, and keys be served alike, though three quarters of the callers have the same one.

    soak.py --bin target/quick/voxproof [--minutes 20]
"""
import argparse
import collections
import http.client
import os
import random
import statistics
import sys
import threading
import time

from service import CLIPS, KEYS, Service

# Twice as many as are judged or may wait: 33 for each core.
CALLERS = 2 * 33 * (os.cpu_count() or 1)
GROWTH, LEAST_FAIR = 1.10, 0.8
# Whose keys callers have: the first one nine for each that another has.
DEMAND = [key for other in KEYS[1:] for key in (KEYS[0], KEYS[0], KEYS[0], other)]
# Within a minute, chance alone parts four keys by more.
SHORT, LEAST_FAIR_OF_SHORT = 5, 0.6


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.served = collections.Counter()
        self.refused, self.waits, self.wrong = 0, [], collections.Counter()


def caller(service, key, end, tally):
    """Asks again and again over one connection, which is made anew when it breaks."""
    rng = random.Random(threading.get_ident())
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            connection.request("POST", "/detect", rng.choice(CLIPS), {"Content-Type": "audio/mpeg", "X-API-Key": key})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            with tally.lock:
                tally.wrong[type(error).__name__] += 1
            connection.close()
            continue
        wait, retry = time.monotonic() - begun, answer.headers.get("retry-after")
        with tally.lock:
            if answer.status == 200:
                tally.served[key] += 1
                tally.waits.append(wait)
            elif answer.status == 503 and retry == "1":
                tally.refused += 1
            else:
                tally.wrong[answer.status] += 1
        if answer.status == 503:
            # As Retry-After says, and not all at once.
            time.sleep(rng.uniform(0.5, 1.5))
    connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--minutes", type=float, default=20)
    args = parser.parse_args()
    tally, resident = Tally(), []
    with Service(args.bin) as service:
        begun = time.monotonic()
        end = begun + 60 * args.minutes
        threads = [threading.Thread(target=caller, args=(service, DEMAND[i % len(DEMAND)], end, tally)) for i in range(CALLERS)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            time.sleep(min(2, max(0.1, end - time.monotonic())))
            resident.append(service.resident())
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - begun
        status = service.stop()
    served = sum(tally.served.values())
    waits = sorted(tally.waits)
    p50, p99 = (waits[int(share * (len(waits) - 1))] for share in (0.5, 0.99))
    third = len(resident) // 3
    # What a first use of every buffer takes is no growth: the first third is left out.
    before, after = statistics.mean(resident[third:2 * third]), statistics.mean(resident[2 * third:])
    room = 33 * (os.cpu_count() or 1)
    # All places in one line, which is served once while each of the others is.
    bound = len(KEYS) * room * seconds / served
    fair = min(tally.served[key] for key in KEYS) / max(tally.served.values())
    print(f"| callers | minutes | served | refused (503, Retry-After) | anything else | wait p50, p99 | p99 may be | resident, middle and last third | least served key |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print(f"| {CALLERS} | {seconds / 60:.1f} | {served} ({served / seconds:.1f}/s) | {tally.refused} | {sum(tally.wrong.values())} "
          f"| {p50:.2f} s, {p99:.2f} s | {bound:.2f} s | {before:.0f}, {after:.0f} MB | {100 * fair:.0f} % of the most |")
    faults = []
    if tally.wrong:
        faults.append(f"answers that must not be: {dict(tally.wrong)}")
    if after > GROWTH * before:
        faults.append("memory grew")
    if fair < (LEAST_FAIR if args.minutes >= SHORT else LEAST_FAIR_OF_SHORT):
        faults.append(f"unfair: {dict(tally.served)}")
    if not tally.refused:
        faults.append("nobody was refused: that was no overload")
    if status != 0:
        faults.append(f"exit status {status}")
    for fault in faults:
        print("FAILED:", fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
