//! Prepared speech -> log power in 128 bands, every 10 ms: what a network is fed.

/// Bands of a frame.
pub const BANDS: usize = 128;
