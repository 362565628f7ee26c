//! Fuzz targets of voxproof: what each does with bytes is in [`targets`], which `tests/fuzz_regressions.rs` includes too, so
//! that every finding is replayed by `cargo test`.
#![forbid(unsafe_code)]

pub use libfuzzer_sys;

pub mod targets;

/// The entry point of a fuzzer: the function of this name in [`targets`].
///
/// Panics that voxproof catches on purpose still end the fuzzer, for a caught panic is a finding, too; but for those that
/// [`targets::tolerated`] knows.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(
            init: $crate::let_known_panics_be(),
            |data: &[u8]| $crate::targets::$name::run(data)
        );
    };
}

/// Replaces libFuzzer's panic hook by one that lets known panics be caught.
pub fn let_known_panics_be() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !targets::tolerated(info) {
            abort(info);
        }
    }));
}
