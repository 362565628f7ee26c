"""Writers of single parts of audio files, so that a part can lie: WAV chunks, MP3 headers, FLAC frames, MP4 boxes, OGG pages."""
import struct

CRC8 = [0] * 256
CRC16 = [0] * 256
OGG_CRC = [0] * 256
for _n in range(256):
    _a, _b, _c = _n, _n << 8, _n << 24
    for _ in range(8):
        _a = (_a << 1) ^ (0x07 if _a & 0x80 else 0)
        _b = (_b << 1) ^ (0x8005 if _b & 0x8000 else 0)
        _c = (_c << 1) ^ (0x04C11DB7 if _c & 0x80000000 else 0)
    CRC8[_n], CRC16[_n], OGG_CRC[_n] = _a & 0xFF, _b & 0xFFFF, _c & 0xFFFFFFFF


def crc8(data):
    crc = 0
    for byte in data:
        crc = CRC8[crc ^ byte]
    return crc


def crc16(data):
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ CRC16[(crc >> 8) ^ byte]
    return crc


def chunk(kind, body, length=None):
    """A RIFF chunk, padded; `length` is what it claims."""
    return kind + struct.pack("<I", len(body) if length is None else length) + body + b"\0" * (len(body) & 1)


def fmt(tag=1, channels=1, rate=16000, bits=16, align=None, extra=b""):
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", tag, channels, rate, (rate * align) & 0xFFFFFFFF, align & 0xFFFF, bits) + extra


def riff(*chunks, length=None, kind=b"RIFF"):
    body = b"WAVE" + b"".join(chunks)
    return kind + struct.pack("<I", (len(body) if length is None else length) & 0xFFFFFFFF) + body


def id3(size, body=b"", flags=0, version=4):
    """An ID3v2 tag that claims `size` bytes."""
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, flags]) + digits + body


def frame_lengths(mp3):
    """Starts and lengths of the frames of a whole MPEG-1 or 2 layer III file without tags in between."""
    kbits = {3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
             2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]}
    at = 0
    if mp3[:3] == b"ID3":
        at = 10 + (mp3[6] << 21 | mp3[7] << 14 | mp3[8] << 7 | mp3[9])
    frames = []
    while at + 4 <= len(mp3) and mp3[at] == 0xFF and mp3[at + 1] & 0xE0 == 0xE0:
        version, b2 = mp3[at + 1] >> 3 & 3, mp3[at + 2]
        rate = [44100, 48000, 32000][b2 >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[version]
        kbit = kbits[3 if version == 3 else 2][b2 >> 4]
        length = (144 if version == 3 else 72) * kbit * 1000 // rate + (b2 >> 1 & 1)
        frames.append((at, length))
        at += length
    return frames


class Bits:
    """Bits, the most significant first."""

    def __init__(self):
        self.value, self.count = 0, 0

    def put(self, value, count):
        self.value = self.value << count | value & ((1 << count) - 1)
        self.count += count
        return self

    def bytes(self):
        pad = -self.count % 8
        return (self.value << pad).to_bytes((self.count + pad) // 8, "big")


def streaminfo(low=4096, high=4096, rate=44100, channels=1, depth=16, total=0, md5=b"\0" * 16):
    bits = Bits().put(low, 16).put(high, 16).put(0, 24).put(0, 24).put(rate, 20).put(channels - 1, 3)
    return bits.put(depth - 1, 5).put(total, 36).bytes() + md5


def flac_block(kind, body, last=False, length=None):
    return bytes([kind | (0x80 if last else 0)]) + (len(body) if length is None else length).to_bytes(3, "big") + body


def utf8(number):
    """FLAC's variable-length numbers."""
    if number < 0x80:
        return bytes([number])
    tail = []
    lead = 0x3F
    while number > lead:
        tail.insert(0, 0x80 | number & 0x3F)
        number >>= 6
        lead >>= 1
    return bytes([(~lead << 1) & 0xFF | number]) + bytes(tail)


def flac_frame(number, size, subframes, channels=1, depth=16, good=True):
    """A frame of `size` samples whose sub-frames, bit strings, are given; rate and depth as in the stream's header."""
    header = b"\xff\xf8" + bytes([0x70, (channels - 1) << 4 | {8: 1, 16: 4, 24: 6}[depth] << 1])
    header += utf8(number) + struct.pack(">H", size - 1)
    header += bytes([crc8(header)])
    bits = Bits()
    for value, count in subframes:
        bits.put(value, count)
    frame = header + bits.bytes()
    return frame + struct.pack(">H", crc16(frame) ^ (0 if good else 1))


def constant(value=0, depth=16):
    """A sub-frame whose samples are all `value`."""
    return (value & ((1 << depth) - 1), 8 + depth)


def box(kind, body=b"", size=None, wide=None):
    """An MP4 box; `size` is what it claims, `wide` its size of 64 bits."""
    if wide is not None:
        return struct.pack(">I", 1) + kind + struct.pack(">Q", wide) + body
    return struct.pack(">I", 8 + len(body) if size is None else size) + kind + body


def page(packets, serial=1, sequence=0, granule=0, flags=0, good=True, lacing=None):
    """An OGG page of whole packets."""
    if lacing is None:
        lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
    head = b"OggS\0" + bytes([flags]) + struct.pack("<QIII", granule & (1 << 64) - 1, serial, sequence, 0)
    whole = head + bytes([len(lacing)]) + lacing + b"".join(packets)
    crc = 0
    for byte in whole:
        crc = (crc << 8 & 0xFFFFFFFF) ^ OGG_CRC[crc >> 24 ^ byte]
    return whole[:22] + struct.pack("<I", crc if good else crc ^ 1) + whole[26:]


def opus_head(channels=1, skip=312, rate=48000, gain=0, family=0, version=1, more=b""):
    return b"OpusHead" + struct.pack("<BBHIhB", version, channels, skip, rate, gain, family) + more


def element(identity, body=b"", size=None):
    """An EBML element with a size of eight bytes."""
    return bytes.fromhex(identity) + (0x01 << 56 | (len(body) if size is None else size)).to_bytes(8, "big") + body
