//! MPEG audio frame headers (ISO/IEC 11172-3 section 2.4.2.3, ISO/IEC 13818-3, and the "MPEG-2.5" extension).

/// Bit rates of layer III in kbit/s by index: MPEG-1, then MPEG-2 and 2.5.
const KBITS: [[u16; 15]; 2] = [
    [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Sample rates of MPEG-1 in Hz by index; MPEG-2 has half, MPEG-2.5 a quarter of them.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// What a layer III frame header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of the whole frame, this header included.
    pub(super) bytes: usize,
    /// Sample frames that it decodes to.
    pub(super) samples: u32,
    /// Sample rate in Hz.
    pub(super) rate: u32,
    /// 1 or 2.
    pub(super) channels: u8,
    /// Bytes of side information, which follow the header and the optional checksum.
    pub(super) side_info: usize,
}

impl FrameHeader {
    /// Bytes of the header itself.
    pub(super) const BYTES: usize = 4;

    /// Reads the header at the start of `bytes`; `None` where there is none of layer III. Free-format frames, whose
    /// header does not tell their length, are not accepted (ffmpeg refuses them too).
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[b0, b1, b2, b3, ..] = bytes else {
            return None;
        };
        if b0 != 0xff || b1 & 0xe0 != 0xe0 {
            return None;
        }
        // 0: MPEG-2.5, 2: MPEG-2, 3: MPEG-1.
        let version = b1 >> 3 & 3;
        const LAYER_3: u8 = 1;
        if version == 1 || b1 >> 1 & 3 != LAYER_3 {
            return None;
        }
        let mpeg1 = version == 3;
        let kbits = *KBITS[usize::from(!mpeg1)].get(usize::from(b2 >> 4))?;
        if kbits == 0 {
            return None;
        }
        let shift = match version {
            3 => 0,
            2 => 1,
            _ => 2,
        };
        let rate = RATES.get(usize::from(b2 >> 2 & 3))? >> shift;
        let channels = if b3 >> 6 == 3 { 1 } else { 2 };
        let samples: u32 = if mpeg1 { 1152 } else { 576 };
        let padding = u32::from(b2 >> 1 & 1);
        let bytes = (samples / 8 * u32::from(kbits) * 1000 / rate + padding) as usize;
        let side_info = match (mpeg1, channels) {
            (true, 1) => 17,
            (true, _) => 32,
            (false, 1) => 9,
            (false, _) => 17,
        };
        Some(Self {
            bytes,
            samples,
            rate,
            channels,
            side_info,
        })
    }

    /// Whether `other` can belong to the same stream: one version and one sample rate.
    pub(super) fn continues(&self, other: &Self) -> bool {
        self.rate == other.rate && self.samples == other.samples
    }
}
