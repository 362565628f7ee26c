"""Bad audio files: (group, name, bytes, damaged). `damaged` files have lost something that ffmpeg is asked about, too; the
others lie, and any problem or sane verdict will do. Everything is made here: nothing but ffmpeg and the clips is needed."""
import json
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

from bits import (box, chunk, constant, element, flac_block, flac_frame, fmt, frame_lengths, id3, opus_head, page, riff,
                  streaminfo)

ROOT = Path(__file__).resolve().parent.parent.parent
CLIP = ROOT / "tests/data/human/en_librispeech_2952.mp3"
SECONDS = 4
MB = 1 << 20

# What ffmpeg makes of the first seconds of a clip, by file ending.
WHOLE = {
    "cbr.mp3": ["-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0"],
    "vbr.mp3": ["-q:a", "4"],
    "mpeg2.mp3": ["-ar", "22050", "-b:a", "32k"],
    "24k.mp3": ["-ar", "24000", "-b:a", "32k"],
    "stereo.mp3": ["-ac", "2", "-b:a", "96k"],
    "pcm.wav": ["-ar", "16000"],
    "float.wav": ["-ar", "16000", "-c:a", "pcm_f32le"],
    "pcm.flac": ["-ar", "16000"],
    "vorbis.ogg": ["-c:a", "libvorbis"],
    "opus.ogg": ["-c:a", "libopus", "-b:a", "24k"],
    "opus.webm": ["-c:a", "libopus", "-b:a", "24k"],
    "aac.m4a": ["-b:a", "48k"],
    "fast.m4a": ["-b:a", "48k", "-movflags", "faststart"],
    "pieces.m4a": ["-b:a", "48k", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "500000"],
    "aac.aac": ["-b:a", "48k", "-f", "adts"],
}


def make(folder):
    """The whole files, by ending."""
    whole = {}
    for ending, options in WHOLE.items():
        path = folder / f"whole.{ending}"
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-t", str(SECONDS), "-i", str(CLIP), *options, "-bitexact", str(path)],
                       check=True, stdin=subprocess.DEVNULL)
        whole[ending] = path.read_bytes()
    return whole


def truncated(whole):
    for ending, data in whole.items():
        for share in (25, 50, 75, 90, 99):
            # An index at the end is gone with it: there is nothing to recover, for ffmpeg neither.
            yield "truncated", f"{share}-percent.{ending}", data[:len(data) * share // 100], True
        for count in (1, 4, 11, 20, 37, 45, 200):
            yield "truncated", f"{count}-bytes.{ending}", data[:count], False
        yield "truncated", f"last-byte.{ending}", data[:-1], True


def flipped(whole):
    for index, (ending, data) in enumerate(whole.items()):
        for round_ in range(2):
            rng = random.Random(f"{index}-{round_}")
            body = bytearray(data)
            # Behind the headers, a bit in two kilobytes.
            for _ in range(max(1, len(data) // 2048)):
                body[rng.randrange(min(2000, len(data) // 2), len(data))] ^= 1 << rng.randrange(8)
            yield "flipped bits", f"body-{round_}.{ending}", bytes(body), True
            head = bytearray(data)
            for _ in range(4):
                head[rng.randrange(min(120, len(data)))] ^= 1 << rng.randrange(8)
            yield "flipped bits", f"head-{round_}.{ending}", bytes(head), False
        rng = random.Random(index)
        holes = bytearray(data)
        for _ in range(3):
            at = rng.randrange(len(data) // 4, len(data) - 600)
            holes[at:at + 400] = bytes(400)
        yield "flipped bits", f"holes.{ending}", bytes(holes), True


def wav(whole):
    sound = whole["pcm.wav"][-2 * 16000 * 3:]
    data = chunk(b"data", sound)

    def bad(name, content):
        return "WAV", f"{name}.wav", content, False
    for rate in (0, 1, 3999, 4001, 22051, 44101, 383983, 384001, 1 << 31, 4_000_000_000):
        yield bad(f"rate-{rate}", riff(chunk(b"fmt ", fmt(rate=rate)), data))
    for channels in (0, 2, 7, 64, 65, 255, 65535):
        yield bad(f"channels-{channels}", riff(chunk(b"fmt ", fmt(channels=channels)), data))
    for bits in (0, 1, 7, 12, 33, 64, 65535):
        yield bad(f"bits-{bits}", riff(chunk(b"fmt ", fmt(bits=bits)), data))
    for tag in (0, 2, 3, 6, 7, 0x11, 0x31, 0x55, 0xFFFE, 0xFFFF):
        yield bad(f"tag-{tag}", riff(chunk(b"fmt ", fmt(tag=tag)), data))
    good = chunk(b"fmt ", fmt())
    for length in (0, 1, 31, (1 << 31) - 1, (1 << 32) - 1):
        yield bad(f"data-length-{length}", riff(good, chunk(b"data", sound, length)))
        yield bad(f"fmt-length-{length}", riff(chunk(b"fmt ", fmt(), length), data))
        yield bad(f"riff-length-{length}", riff(good, data, length=length))
    yield bad("no-fmt", riff(data))
    yield bad("no-data", riff(good))
    yield bad("data-first", riff(data, good))
    yield bad("two-formats", riff(good, chunk(b"fmt ", fmt(rate=8000, channels=2)), data))
    yield bad("two-data", riff(good, data, data))
    yield bad("empty-data-then-data", riff(good, chunk(b"data", b""), data))
    yield bad("zero-chunks", riff(good, chunk(b"junk", b"") * 100_000, data))
    yield bad("odd-chunk", riff(good, chunk(b"LIST", b"abc"), data))
    yield bad("huge-chunk", riff(good, chunk(b"LIST", b"abcd", (1 << 32) - 1), data))
    nested = riff(good, data)
    for _ in range(500):
        nested = riff(chunk(b"LIST", b""), nested)
    yield bad("nested", nested)
    yield bad("rf64-without-ds64", riff(good, chunk(b"data", sound, (1 << 32) - 1), kind=b"RF64"))
    yield bad("extensible-short", riff(chunk(b"fmt ", fmt(tag=0xFFFE, extra=b"\x16\0")), data))
    yield bad("nan", riff(chunk(b"fmt ", fmt(tag=3, bits=32)), chunk(b"data", struct.pack("<f", float("nan")) * 50_000)))
    yield bad("infinite", riff(chunk(b"fmt ", fmt(tag=3, bits=32)), chunk(b"data", struct.pack("<f", float("inf")) * 50_000)))
    yield bad("denormal", riff(chunk(b"fmt ", fmt(tag=3, bits=32)), chunk(b"data", struct.pack("<I", 1) * 50_000)))
    yield bad("beyond-full-scale", riff(chunk(b"fmt ", fmt(tag=3, bits=64)), chunk(b"data", struct.pack("<dd", 1e300, -1e300) * 30_000)))
    square = struct.pack("<80h", *[32767] * 40, *[-32768] * 40)
    yield bad("square", riff(good, chunk(b"data", square * 800)))
    yield bad("dc", riff(good, chunk(b"data", struct.pack("<h", 32767) * 50_000)))
    yield bad("click", riff(good, chunk(b"data", bytes(60_000) + b"\xff\x7f" + bytes(60_000))))
    yield bad("20-minutes", riff(chunk(b"fmt ", fmt(tag=7, bits=8, rate=8000)), chunk(b"data", bytes(range(256)) * 37_500)))
    yield bad("64-channels-384-khz", riff(chunk(b"fmt ", fmt(channels=64, bits=8, rate=384_000)), chunk(b"data", bytes(range(256)) * 36_000)))


def mp3(whole):
    cbr, vbr, other, stereo = (whole[k] for k in ("cbr.mp3", "vbr.mp3", "mpeg2.mp3", "stereo.mp3"))
    frames = [cbr[at:at + length] for at, length in frame_lengths(cbr)]
    rng = random.Random(3)

    def bad(name, content, damaged=False):
        return "MP3", f"{name}.mp3", content, damaged
    at = vbr.index(b"Xing") if b"Xing" in vbr else vbr.index(b"Info")
    for value in (0, 1, 1 << 31, (1 << 32) - 1):
        word = struct.pack(">I", value)
        yield bad(f"xing-frames-{value}", vbr[:at + 8] + word + vbr[at + 12:])
        yield bad(f"xing-bytes-{value}", vbr[:at + 12] + word + vbr[at + 16:])
    lame = vbr.index(b"Lavc", at) if b"Lavc" in vbr[at:at + 200] else vbr.index(b"LAME", at)
    for trim in (b"\xff\xff\xff", b"\xff\xf0\0", b"\0\x0f\xff"):
        yield bad(f"trim-{trim.hex()}", vbr[:lame + 21] + trim + vbr[lame + 24:])
    vbri = frames[0][:36] + b"VBRI\0\1" + b"\xff" * 100
    yield bad("vbri-lies", vbri[:len(frames[0])].ljust(len(frames[0]), b"\0") + cbr)
    for size in (0, 1, 1000, len(cbr), 1 << 27, (1 << 28) - 1):
        yield bad(f"id3-{size}", id3(size) + cbr)
    yield bad("id3-footer", id3(50, bytes(50), flags=0x10) + cbr)
    yield bad("id3-many", id3(0) * 100_000 + cbr)
    yield bad("id3-in-id3", id3(10 * 20, id3(0) * 20) + cbr)
    yield bad("id3-alone", id3(100, bytes(100)))
    yield bad("id3v1-inside", b"".join(frames[:60]) + b"TAG" + bytes(125) + b"".join(frames[60:]), True)
    yield bad("ape-behind", cbr + b"APETAGEX" + struct.pack("<IIII", 2000, 1 << 31, 1 << 30, 0) + bytes(8))

    def patched(offset, mask, value):
        return b"".join(bytes(b & ~mask | value if i == offset else b for i, b in enumerate(f)) for f in frames)
    yield bad("free-format", patched(2, 0xF0, 0x00))
    yield bad("reserved-bitrate", patched(2, 0xF0, 0xF0))
    yield bad("reserved-rate", patched(2, 0x0C, 0x0C))
    yield bad("layer-1", patched(1, 0x06, 0x06))
    yield bad("layer-2", patched(1, 0x06, 0x04))
    yield bad("reserved-layer", patched(1, 0x06, 0x00))
    yield bad("reserved-version", patched(1, 0x18, 0x08))
    yield bad("emphasis", patched(3, 0x03, 0x02))
    yield bad("protected-without-checksum", patched(1, 0x01, 0x00))
    yield bad("reservoir-511", patched(4, 0xFF, 0xFF))
    yield bad("side-info-zero", b"".join(f[:4] + bytes(17) + f[21:] for f in frames))
    yield bad("side-info-ones", b"".join(f[:4] + b"\xff" * 17 + f[21:] for f in frames))
    yield bad("side-info-random", b"".join(f[:4] + rng.randbytes(17) + f[21:] for f in frames))
    yield bad("data-random", b"".join(f[:21] + rng.randbytes(len(f) - 21) for f in frames))
    yield bad("headers-alone", b"".join(f[:4] for f in frames * 100))
    yield bad("rate-changes", cbr + other)
    yield bad("rate-changes-first", other + cbr)
    yield bad("rate-changes-often", b"".join(a + b for a, b in zip(frames, [other[i:i + n] for i, n in frame_lengths(other)])))
    yield bad("channels-change", cbr + stereo)
    yield bad("channels-change-often", b"".join(a + b for a, b in zip(frames, [stereo[i:i + n] for i, n in frame_lengths(stereo)])))
    for count in (1, 100, 10_000, 70_000, 700_000):
        yield bad(f"garbage-before-{count}", rng.randbytes(count).replace(b"\xff", b"\0") + cbr)
    yield bad("zeros-before", bytes(50_000) + cbr)
    yield bad("garbage-between", b"".join(f + (rng.randbytes(50) if i % 10 == 5 else b"") for i, f in enumerate(frames)), True)
    yield bad("zeros-between", b"".join(f + (bytes(50) if i % 10 == 5 else b"") for i, f in enumerate(frames)), True)
    yield bad("sync-between", b"".join(f + (b"\xff\xfb" * 20 if i % 10 == 5 else b"") for i, f in enumerate(frames)), True)
    yield bad("garbage-behind", cbr + rng.randbytes(100_000), True)
    yield bad("every-second-frame", b"".join(frames[::2]), True)
    yield bad("every-tenth-missing", b"".join(f for i, f in enumerate(frames) if i % 10 != 5), True)
    yield bad("backwards", b"".join(reversed(frames)), True)
    yield bad("one-frame-again", frames[40] * 3000)
    yield bad("frames-cut-short", b"".join(f[:-3] for f in frames), True)
    yield bad("frames-too-long", b"".join(f + b"\0" for f in frames), True)
    silence = bytearray(frames[0])
    silence[4:] = bytes(len(silence) - 4)
    yield bad("11-minutes-silent", bytes(silence) * 26_000)
    # 8 kbit/s at 8 kHz: 72 bytes are 72 ms.
    tiny = bytes([0xFF, 0xE3, 0x18, 0xC0]) + bytes(68)
    yield bad("two-hours-silent", tiny * 100_000)


def flac(whole):
    stream = whole["pcm.flac"]
    frames = stream[42:]
    at = 4
    while not stream[at] & 0x80:
        at += 4 + int.from_bytes(stream[at + 1:at + 4], "big")
    frames = stream[at + 4 + int.from_bytes(stream[at + 1:at + 4], "big"):]
    info = stream[8:42]

    def bad(name, content, damaged=False):
        return "FLAC", f"{name}.flac", content, damaged

    def file(head, body=frames, *blocks):
        return b"fLaC" + flac_block(0, head, last=not blocks) + b"".join(blocks) + body
    for low, high in ((0, 0), (1, 1), (15, 15), (16, 65535), (65535, 16), (65535, 65535)):
        yield bad(f"blocks-{low}-{high}", file(streaminfo(low, high, 16000)))
    for rate in (0, 1, 655350, (1 << 20) - 1):
        yield bad(f"rate-{rate}", file(streaminfo(rate=rate)))
    for channels in (2, 8):
        yield bad(f"channels-{channels}", file(streaminfo(rate=16000, channels=channels)))
    for depth in (1, 4, 12, 24, 32):
        yield bad(f"depth-{depth}", file(streaminfo(rate=16000, depth=depth)))
    yield bad("total-huge", file(streaminfo(rate=16000, total=(1 << 36) - 1)))
    yield bad("md5-wrong", file(streaminfo(rate=16000, md5=b"\1" * 16)))
    yield bad("no-streaminfo", b"fLaC" + flac_block(4, bytes(8), last=True) + frames)
    yield bad("streaminfo-short", b"fLaC" + flac_block(0, info[:10], last=True) + frames)
    yield bad("streaminfo-twice", file(info, frames, flac_block(0, streaminfo(rate=8000), last=True)))
    yield bad("block-beyond", file(info, frames, flac_block(1, b"", last=True, length=(1 << 24) - 1)))
    yield bad("padding-many", file(info, frames, flac_block(1, b"") * 100_000, flac_block(1, b"", last=True)))
    yield bad("picture-lies", file(info, frames, flac_block(6, struct.pack(">II", 3, (1 << 32) - 1) + bytes(40), last=True)))
    yield bad("comment-lies", file(info, frames, flac_block(4, struct.pack("<II", 4, (1 << 32) - 1) + bytes(40), last=True)))
    yield bad("comment-count", file(info, frames, flac_block(4, struct.pack("<III", 0, (1 << 32) - 1, 0), last=True)))
    yield bad("seektable-lies", file(info, frames, flac_block(3, b"\xff" * 18 * 1000, last=True)))
    yield bad("cuesheet-lies", file(info, frames, flac_block(5, b"\xff" * 400, last=True)))
    yield bad("reserved-blocks", file(info, frames, flac_block(126, bytes(10)), flac_block(127, bytes(10), last=True)))

    def made(name, subframes, count=30, size=4096, channels=1, depth=16, rate=44100, good=True):
        head = streaminfo(size, size, rate, channels, depth)
        body = b"".join(flac_frame(i, size, subframes(i), channels, depth, good) for i in range(count))
        return bad(name, file(head, body))
    yield made("constant", lambda i: [constant(i * 999)])
    yield made("checksums-wrong", lambda i: [constant(i * 999)], good=False)
    yield made("reserved-subframe", lambda i: [(0x04, 8), (0, 64)])
    yield made("wasted-bits", lambda i: [(0x03, 8), (0, 40), (1, 1), (5, 16)])
    yield made("verbatim-short", lambda i: [(0x02, 8), (0x1234, 16)])
    # A fixed predictor whose residual has 2^15 partitions, or an escape of 31 bits.
    yield made("partitions-32768", lambda i: [(0x10, 8), (0, 2), (15, 4), (0, 5), (0, 4096)])
    yield made("escape-31", lambda i: [(0x10, 8), (0, 2), (0, 4), (15, 4), (31, 5), (1, 31)] + [((1 << 31) - 1, 31)] * 60)
    yield made("unary-endless", lambda i: [(0x10, 8), (0, 2), (0, 4), (0, 4), (0, 20_000)])
    yield made("lpc-shift-negative", lambda i: [(0x7E, 8), (0x7FFF, 16 * 32), (14, 4), (0x1F, 5), (0x3FFF, 15 * 32)])
    yield made("8-channels", lambda i: [constant(i * 99 * c) for c in range(8)], channels=8)
    # A few kilobytes that decode to minutes: at a rate and a number of channels that make it many samples.
    yield made("9-minutes-8-khz", lambda i: [constant((i % 7 - 3) * 999)], count=66, size=65535, rate=8000)
    yield made("9-minutes-384-khz-8-channels", lambda i: [constant((i % 7 - 3) * 999)] * 8, count=3200, size=65535, channels=8, rate=384_000)
    yield made("two-hours", lambda i: [constant((i % 7 - 3) * 999)], count=900, size=65535, rate=8000)
    yield bad("mp3-inside", b"fLaC" + whole["cbr.mp3"])
    yield bad("frames-missing", stream[:len(stream) // 3] + stream[len(stream) // 2:], True)
    yield bad("twice", stream + stream)


def mp4(whole):
    data, fast = whole["aac.m4a"], whole["fast.m4a"]

    def bad(name, content):
        return "MP4", f"{name}.m4a", content, False

    def find(kind, source=fast):
        return source.index(kind) + 4

    def patched(kind, offset, value, source=fast):
        at = find(kind, source) + offset
        return source[:at] + value + source[at + len(value):]
    yield bad("ftyp-alone", box(b"ftyp", b"M4A \0\0\0\0"))
    yield bad("ftyp-endless", box(b"ftyp", b"M4A ", size=(1 << 32) - 1))
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mdat", b"esds", b"stco"):
        at = fast.index(kind) - 4
        for size in (0, 1, 7, 8, 9, (1 << 32) - 1):
            yield bad(f"{kind.decode()}-size-{size}", fast[:at] + struct.pack(">I", size) + fast[at + 4:])
    at = fast.index(b"moov") - 4
    yield bad("moov-wide", fast[:at] + struct.pack(">I", 1) + b"moov" + struct.pack(">Q", (1 << 64) - 1) + fast[at + 8:])
    for kind, offset in ((b"stsz", 8), (b"stts", 4), (b"stsc", 4), (b"stco", 4), (b"stsd", 4), (b"elst", 4)):
        yield bad(f"{kind.decode()}-count", patched(kind, offset, b"\xff\xff\xff\xff"))
    yield bad("stsz-all-huge", patched(b"stsz", 4, b"\x7f\xff\xff\xff"))
    yield bad("stsz-all-one", patched(b"stsz", 4, b"\0\0\0\1\xff\xff\xff\xff"))
    yield bad("stts-delta", patched(b"stts", 8, b"\xff\xff\xff\xff\xff\xff\xff\xff"))
    # Chunks that begin in the index itself: what is read is what is being read.
    yield bad("stco-cyclic", patched(b"stco", 8, struct.pack(">I", at)))
    yield bad("stco-beyond", patched(b"stco", 8, b"\xff\xff\xff\xff"))
    yield bad("timescale-0", patched(b"mdhd", 12, bytes(4)))
    yield bad("esds-lies", patched(b"esds", 4, b"\x03\xff\xff\xff\x7f"))
    yield bad("codec-unknown", fast.replace(b"mp4a", b"nope"))
    moov = fast[at:at + struct.unpack(">I", fast[at:at + 4])[0]]
    yield bad("two-moov", fast[:at] + moov + fast[at:])
    nested = b""
    for _ in range(20_000):
        nested = struct.pack(">I", min(len(nested) + 8, (1 << 32) - 1)) + b"moov" + nested if len(nested) < 160_000 else nested
    yield bad("nested-moov", box(b"ftyp", b"M4A \0\0\0\0") + nested)
    deep = b""
    for kind in (b"trak", b"mdia", b"minf", b"stbl") * 300:
        deep = box(kind, deep)
    yield bad("nested-trak", box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", deep))
    yield bad("many-traks", box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", box(b"trak", box(b"mdia")) * 20_000))
    yield bad("empty-boxes", box(b"ftyp", b"M4A \0\0\0\0") + box(b"free") * 200_000 + data)
    yield bad("mdat-alone", box(b"ftyp", b"M4A \0\0\0\0") + box(b"mdat", data[1000:]))


def ogg(whole):
    vorbis, opus = whole["vorbis.ogg"], whole["opus.ogg"]
    pages = [b"OggS" + part for part in opus.split(b"OggS")[1:]]
    tags = b"OpusTags" + struct.pack("<II", 0, 0)
    rng = random.Random(5)
    # SILK, 20 ms, mono: one byte is silence that lasts.
    silent = b"\x48"

    def bad(name, content, damaged=False):
        return "OGG", f"{name}.ogg", content, damaged

    def stream(head, packets, comment=tags, granule=960):
        return (page([head], flags=2) + page([comment], sequence=1)
                + b"".join(page([p], sequence=2 + i, granule=granule * (i + 1)) for i, p in enumerate(packets)))
    for channels in (0, 3, 255):
        yield bad(f"opus-channels-{channels}", stream(opus_head(channels), [silent] * 100))
    for family in (1, 2, 255):
        yield bad(f"opus-family-{family}", stream(opus_head(family=family, more=b"\1\0\0"), [silent] * 100))
    yield bad("opus-skip", stream(opus_head(skip=65535), [silent] * 200))
    yield bad("opus-gain", stream(opus_head(gain=32767), [silent] * 200))
    yield bad("opus-version", stream(opus_head(version=255), [silent] * 200))
    yield bad("opus-no-tags", stream(opus_head(), [silent] * 100, comment=b"nothing"))
    yield bad("opus-tags-lie", stream(opus_head(), [silent] * 100, comment=b"OpusTags" + b"\xff" * 8))
    yield bad("opus-head-short", stream(opus_head()[:12], [silent] * 100))
    yield bad("opus-random", stream(opus_head(), [rng.randbytes(60) for _ in range(300)]))
    yield bad("opus-frames-48", stream(opus_head(), [b"\x4b\x3f" + bytes(40)] * 200))
    yield bad("opus-11-minutes", page([opus_head()], flags=2) + page([tags], sequence=1)
              + b"".join(page([silent] * 255, sequence=2 + i, granule=960 * 255 * (i + 1)) for i in range(130)))
    yield bad("opus-granule-back", stream(opus_head(), [silent] * 200, granule=-960))
    yield bad("checksums-wrong", b"".join(p[:22] + bytes(4) + p[26:] for p in pages))
    yield bad("pages-missing", b"".join(p for i, p in enumerate(pages) if i % 4 != 3 or i < 3), True)
    yield bad("pages-backwards", b"".join(pages[:2] + pages[:1:-1]))
    yield bad("pages-twice", b"".join(p + p for p in pages))
    yield bad("serials-differ", b"".join(p[:14] + struct.pack("<I", i) + p[18:] for i, p in enumerate(pages)))
    yield bad("chained", opus + vorbis)
    yield bad("chained-same", opus + opus)
    yield bad("empty-pages", pages[0] + page([], lacing=b"") * 50_000 + b"".join(pages[1:]))
    yield bad("lacing-lies", page([b"x"], lacing=b"\xff" * 255) * 500)
    yield bad("vorbis-heads-alone", b"OggS".join(vorbis.split(b"OggS")[:3]))
    at = vorbis.index(b"\1vorbis")
    yield bad("vorbis-rate-0", vorbis[:at + 12] + bytes(4) + vorbis[at + 16:])
    yield bad("vorbis-channels-255", vorbis[:at + 11] + b"\xff" + vorbis[at + 12:])
    yield bad("vorbis-blocks", vorbis[:at + 28] + b"\xff" + vorbis[at + 29:])
    setup = vorbis.index(b"\5vorbis")
    yield bad("vorbis-books", vorbis[:setup + 7] + rng.randbytes(800) + vorbis[setup + 807:])
    yield bad("vorbis-comment-lies", vorbis.replace(b"\3vorbis", b"\3vorbis\xff\xff\xff\xff"))


def matroska(whole):
    data = whole["opus.webm"]

    def bad(name, content):
        return "WebM", f"{name}.webm", content, False
    head = data[:data.index(bytes.fromhex("18538067"))]
    yield bad("head-alone", head)
    yield bad("segment-endless", head + element("18538067", size=(1 << 56) - 1))
    yield bad("segments-nested", head + element("18538067", size=(1 << 56) - 1) * 10_000)
    yield bad("clusters-empty", head + element("18538067", element("1f43b675") * 50_000))
    yield bad("ebml-huge", bytes.fromhex("1a45dfa3") + b"\x01" + b"\xff" * 7 + data[5:])
    yield bad("ids-bad", head + bytes(2000) + data[len(head):])
    for name, identity in (("tracks", "1654ae6b"), ("cluster", "1f43b675"), ("segment", "18538067"), ("info", "1549a966")):
        at = data.index(bytes.fromhex(identity))
        for size in (b"\x80", b"\x08\0\0\0\0", b"\xff", b"\x01\xff\xff\xff\xff\xff\xff\xfe"):
            yield bad(f"{name}-size-{size.hex()}", data[:at + 4] + size + data[at + 4 + len(size):])
    block = bytes.fromhex("a3")
    for lacing in (0x02, 0x04, 0x06):
        # A block with lacing whose 255 frames are not there.
        lie = element("a3", b"\x81\0\0" + bytes([lacing]) + b"\xff" * 20)
        yield bad(f"lacing-{lacing}", data + element("1f43b675", element("e7", b"\0") + lie * 2000))
    yield bad("blocks-empty", data + element("1f43b675", element("e7", b"\0") + element("a3") * 50_000))
    yield bad("discard-huge", data + element("1f43b675", element("a0", element("75a2", b"\x7f" + b"\xff" * 7))))
    yield bad("codec-delay", data.replace(bytes.fromhex("56aa"), bytes.fromhex("56ab")))
    yield bad("pieces", b"".join(block + data[i:i + 97] for i in range(0, len(data), 97)))


def adts(whole):
    data = whole["aac.aac"]

    def bad(name, content, damaged=False):
        return "AAC", f"{name}.aac", content, damaged

    def length(value):
        return bytes([0xFF, 0xF1, 0x50, 0x40 | value >> 11, value >> 3 & 0xFF, (value & 7) << 5 | 0x1F, 0xFC])
    for value in (0, 7, 8, 8191):
        yield bad(f"length-{value}", length(value) * 20_000)
    yield bad("no-channels", b"".join(data[:2] + bytes([data[2] & 0xFE, data[3] & 0x3F]) + data[4:] for _ in range(1)))
    yield bad("rate-reserved", data[:2] + bytes([data[2] | 0x3C]) + data[3:])
    yield bad("crc-absent", data.replace(b"\xff\xf1", b"\xff\xf0"))
    yield bad("garbage-between", data[:len(data) // 2] + random.Random(9).randbytes(500) + data[len(data) // 2:], True)
    yield bad("twice", data + data)
    yield bad("mp3-behind", data + whole["cbr.mp3"])


def polyglots(whole):
    cbr, wave, ogg_, data = whole["cbr.mp3"], whole["pcm.wav"], whole["opus.ogg"], whole["pcm.flac"]
    pdf = b"%PDF-1.4\n1 0 obj\n<< /Length 9 >>\nstream\n"
    zipped = b"PK\x03\x04" + bytes(26)

    def bad(name, content):
        return "polyglots", name, content, False
    yield bad("pdf-mp3", pdf + cbr)
    yield bad("gif-mp3", b"GIF89a" + bytes(20) + cbr)
    yield bad("html-mp3", b"<html><script>alert(1)</script>" + cbr)
    yield bad("zip-mp3", zipped + cbr)
    yield bad("mp3-zip", cbr + zipped + b"PK\x05\x06" + bytes(18))
    yield bad("wav-zip", wave + zipped)
    yield bad("id3-ogg", id3(20, bytes(20)) + ogg_)
    yield bad("id3-wav", id3(20, bytes(20)) + wave)
    yield bad("id3-flac", id3(20, bytes(20)) + data)
    yield bad("id3-elf", id3(20, bytes(20)) + b"\x7fELF" + bytes(2000))
    yield bad("wav-with-mp3-in-it", riff(chunk(b"fmt ", fmt(tag=0x55)), chunk(b"data", cbr)))
    yield bad("wav-with-mp3-chunk", riff(chunk(b"fmt ", fmt()), chunk(b"LIST", cbr), chunk(b"data", bytes(50_000))))
    yield bad("avi", riff(chunk(b"LIST", b"hdrl")).replace(b"WAVE", b"AVI ") + cbr)
    yield bad("riff-ftyp", b"RIFFftypWAVE" + wave[12:])
    yield bad("ogg-flac", b"OggS" + data)
    yield bad("gzip-wav", b"\x1f\x8b\x08\0" + bytes(6) + zlib.compress(wave))
    yield bad("script", b"#!/bin/sh\nrm -rf /\n" * 100)
    yield bad("json", b'{"audio": "' + b"A" * 5000 + b'"}')
    yield bad("utf16", "RIFF....WAVE".encode("utf-16") * 100)


def masses(_whole):
    rng = random.Random(11)

    def bad(name, content):
        return "sizes", name, content, False
    yield bad("0-bytes", b"")
    yield bad("1-byte", b"\xff")
    yield bad("10-mb-of-ff", b"\xff" * (10 * MB))
    yield bad("10-mb-of-00", bytes(10 * MB))
    yield bad("10-mb-random", rng.randbytes(10 * MB))
    for name, unit in (("fffb", b"\xff\xfb"), ("mp3-heads", b"\xff\xfb\x90\x64"), ("free-heads", b"\xff\xfb\x00\x64"), ("adts-heads", b"\xff\xf1\x50\x40"),
                       ("id3", id3(0)), ("oggs", b"OggS"), ("oggs-pages", page([], lacing=b"")), ("ebml", bytes.fromhex("1a45dfa3")),
                       ("ebml-sized", element("1a45dfa3")), ("flac", b"fLaC"), ("flac-sync", b"\xff\xf8\x79\x08"), ("riff", b"RIFF\0\0\0\0WAVE"),
                       ("ftyp", b"\0\0\0\x08ftyp"), ("moov", b"\0\0\0\x08moov")):
        yield bad(f"10-mb-of-{name}", (unit * (10 * MB // len(unit) + 1))[:10 * MB])
    yield bad("flac-then-sync", b"fLaC" + flac_block(0, streaminfo(), last=True) + b"\xff\xf8\x79\x08" * (2 * MB))
    yield bad("wav-of-10-mb-noise", riff(chunk(b"fmt ", fmt(rate=44100, channels=2)), chunk(b"data", rng.randbytes(10 * MB - 100))))


def corpus(folder):
    """All of them."""
    whole = make(folder)
    for part in (truncated, flipped, wav, mp3, flac, mp4, ogg, matroska, adts, polyglots, masses):
        yield from part(whole)


def main(folder, only):
    """Writes those whose group and name have `only` in them into `folder`, and index.json."""
    index = []
    for group, name, content, damaged in corpus(folder):
        if only in f"{group} {name}":
            path = folder / f"{group.replace(' ', '-')}-{name}"
            path.write_bytes(content)
            index.append([group, name, str(path), damaged])
    (folder / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
