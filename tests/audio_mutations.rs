//! No bytes make the decoders panic. In a binary of its own, because the panic hook belongs to the whole process.

mod audio_support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use audio_support::{Random, fixture, golden_waveforms};
use voxproof::audio::{DecodeLimits, decode};

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Damaged copies of every fixture. `decode` turns a panic of a decoder into an error; the hook sees it all the same.
/// `VOXPROOF_MUTATIONS` sets the number of copies of each.
#[test]
fn damaged_fixtures_never_panic() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(info);
    }));
    let copies = std::env::var("VOXPROOF_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(12);
    let limits = DecodeLimits {
        max_duration: Duration::from_secs(30),
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for clip in golden_waveforms().1 {
        let whole = fixture(&clip.file);
        for copy in 0..copies {
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut random);
            let start = Instant::now();
            let before = PANICS.load(Ordering::SeqCst);
            if let Ok(waveform) = decode(&bytes, &limits) {
                assert!(
                    waveform
                        .samples()
                        .iter()
                        .all(|x| x.is_finite() && x.abs() < 4.0),
                    "{} {copy}",
                    clip.file
                );
            }
            assert_eq!(
                PANICS.load(Ordering::SeqCst),
                before,
                "{} copy {copy} panicked",
                clip.file
            );
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{} copy {copy} is slow",
                clip.file
            );
        }
    }
}

/// Flips, overwrites, removes, repeats or cuts, mostly near the start, where the headers are.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(8) {
        if bytes.is_empty() {
            return;
        }
        let reach = if random.below(2) == 0 {
            bytes.len().min(400)
        } else {
            bytes.len()
        };
        let at = random.below(reach);
        let length = (1 + random.below(64)).min(bytes.len() - at);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => random.fill(&mut bytes[at..at + length]),
            3 => bytes[at..at + length].fill(if random.below(2) == 0 { 0 } else { 0xff }),
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let repeated = bytes[at..at + length].to_vec();
                bytes.splice(at..at, repeated);
            }
            _ => bytes.truncate(bytes.len() - random.below(bytes.len().min(2_000))),
        }
    }
}
