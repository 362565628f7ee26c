"""Speech inside the data files of two adventure games that Debian ships.

Each reader yields (name, bytes) for every spoken line, as `speaker/line` where the archive tells.
"""

import re
import struct


class Bits:
    """Bits of little-endian 16-bit words, lowest first; literals lie between the words."""

    def __init__(self, data, at):
        self.data, self.at, self.held, self.count = data, at, 0, 0

    def read(self, amount):
        while self.count < amount:
            word = int.from_bytes(self.data[self.at : self.at + 2], "little")
            self.held |= word << self.count
            self.at += 2
            self.count += 16
        value = self.held & ((1 << amount) - 1)
        self.held >>= amount
        self.count -= amount
        return value

    def literal(self, length):
        self.at += length
        return self.data[self.at - length : self.at]

    def table(self):
        lengths = [self.read(4) for _ in range(self.read(5))]
        codes, code = {}, 0
        for length in range(1, 16):
            for value, its in enumerate(lengths):
                if its == length:
                    codes[length, code] = value
                    code += 1
            code <<= 1
        return codes

    def value(self, table):
        code = 0
        for length in range(1, 17):
            code = code << 1 | self.read(1)
            if (length, code) in table:
                value = table[length, code]
                return value if value < 2 else 1 << value - 1 | self.read(value - 1)
        raise ValueError("no such code in the compressed data")


def unpack_rnc(data):
    """Rob Northen compression, method 1."""
    if data[:4] != b"RNC\x01":
        raise ValueError("not RNC data")
    size = int.from_bytes(data[4:8], "big")
    out, bits = bytearray(), Bits(data, 18)
    bits.read(2)
    while len(out) < size:
        literals, distances, lengths = bits.table(), bits.table(), bits.table()
        for left in range(bits.read(16), 0, -1):
            out += bits.literal(bits.value(literals))
            if left > 1:
                distance = bits.value(distances) + 1
                for _ in range(bits.value(lengths) + 2):
                    out.append(out[-distance])
    return bytes(out)


def read_sky(folder):
    """Beneath a Steel Sky: an index of 8-byte entries; numbers from 50,000 on are speech."""
    game = folder / "usr/share/scummvm/beneath-a-steel-sky"
    index = (game / "sky.dnr").read_bytes()
    disk = (game / "sky.dsk").read_bytes()
    for at in range(4, len(index) - 7, 8):
        number = int.from_bytes(index[at : at + 2], "little")
        offset = int.from_bytes(index[at + 2 : at + 5], "little")
        size = int.from_bytes(index[at + 5 : at + 8], "little") & 0x3FFFFF
        # A flag says that the offset counts in paragraphs of 16 bytes.
        offset = (offset & 0x7FFFFF) * (16 if offset & 0x800000 else 1)
        body = disk[offset + 22 : offset + size]
        if 50000 <= number < 60000 and body[:4] == b"RNC\x01":
            yield f"cast/{number}", lambda body=body: unpack_rnc(body)


def read_queen(folder):
    """Flight of the Amazon Queen: a table of names and places in one file of MP3 streams."""
    data = (folder / "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c").read_bytes()
    count = int.from_bytes(data[13:15], "big")
    for number in range(count):
        name, _, offset, size = struct.unpack(">12sBII", data[15 + 21 * number : 36 + 21 * number])
        name = name.rstrip(b"\0").decode("ascii", "replace")
        # Joe, the hero, or the person he talks to in the dialogue of two digits.
        part = re.match(r"(?P<joe>JOE)|(?P<dialogue>\d\d)[0-9A-F]{3,5}(?P<who>[JP])\d", name)
        if part and name.endswith(".SB"):
            joe = part["joe"] or part["who"] == "J"
            speaker = "joe" if joe else f"dialogue-{part['dialogue']}"
            yield f"{speaker}/{name}", lambda at=offset, n=size: data[at : at + n]


READERS = {"sky": read_sky, "queen": read_queen}
