//! Training of the compact convolutional network: hand-written derivatives, on the processor alone.
//!
//! ```text
//! spectrogram --sampler, augment--> crops --net [conv, batch_norm, pool]--> logits --loss--> gradient
//!                                            ^                                                  |
//!                                            +------------- adam, at the rate of schedule ------+
//! ```
//!
//! [`fit`] joins them; [`export`] folds the batch normalisation into the convolutions, which is what is served.
//! Everything is in f32, with sums over a mini-batch in a fixed order: the weights are the same to the bit for a seed,
//! whatever the number of threads (on processors with the same vector instructions).

pub mod adam;
pub mod architecture;
pub mod augment;
pub mod batch_norm;
pub mod conv;
pub mod estimate;
pub mod export;
pub mod fit;
pub mod front_end;
mod gemm;
pub mod net;
pub mod pool;
pub mod sampler;
pub mod schedule;
pub mod spectrogram;
pub mod spectrogram_table;

pub use architecture::Architecture;
pub use estimate::{FEATURES, fit_calibrated, score_folds};
pub use fit::{Example, NetworkSettings, fit};
pub use front_end::{FrontEnd, FrontEndScratch};
pub use spectrogram::Spectrogram;
