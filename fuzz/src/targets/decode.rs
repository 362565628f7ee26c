//! Container detection and decoding: any bytes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::GAVE_UP;
use voxproof::audio::{AudioError, DecodeLimits, SAMPLE_RATE, decode_blocks};

/// Decodes `data`: an error, or finite samples within the bound. A decoder's panic, which is caught, fails as well.
pub fn run(data: &[u8]) {
    let limits = DecodeLimits {
        max_duration: Duration::from_secs(20),
    };
    let mut count = 0_usize;
    let decoded = decode_blocks(data, &limits, &mut |block| {
        count += block.len();
        // Full scale, and what the resampler's filter overshoots by.
        let good = block.iter().all(|x| x.is_finite() && x.abs() < 4.0);
        assert!(good, "samples that are no audio");
    });
    match decoded {
        Ok(format) => {
            assert!(format.channels > 0 && format.sample_rate > 0);
            assert!(count <= 20 * SAMPLE_RATE as usize + 1, "{count} samples");
        }
        Err(AudioError::Undecodable(what)) => {
            let tolerated = GAVE_UP.swap(false, Ordering::Relaxed);
            assert!(tolerated || !what.contains("gave up"), "a panic");
        }
        Err(_) => {}
    }
}
