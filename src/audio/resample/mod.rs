//! Resampling in blocks, by multiplying spectra (overlap-save).
//!
//! For the reduced ratio `L / M` of the two rates, a block of `M k` input samples is transformed, its spectrum is
//! multiplied by the low-pass response and cut (or extended with zeros) to `L k` samples, and transformed back: exact
//! for every rational ratio, linear in phase, without delay. The response is in [`filter`].

mod filter;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use filter::Shape;

/// Input and output samples of one block together, before rounding: long enough that the overlap costs little, short
/// enough to stay in the cache and to serve clips of some seconds.
const BLOCK: usize = 12_288;

/// Sample rates before and after, in Hz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Rates {
    source: u32,
    target: u32,
}

/// Mono samples at `source_rate`, converted to `target_rate` (both in Hz, not 0), as python-soxr's "HQ" does.
///
/// The output has `ceil(n * target_rate / source_rate)` samples for `n` input samples.
pub fn resample(samples: &[f32], source_rate: u32, target_rate: u32) -> Vec<f32> {
    let mut resampled = Vec::new();
    let mut take = |block: &[f32]| resampled.extend_from_slice(block);
    let mut resampler = Resampler::new(source_rate, target_rate);
    resampler.push(samples, &mut take);
    resampler.finish(&mut take);
    resampled
}

/// As [`resample`] to a lower or the same rate, in the memory of the samples: what is written never overtakes what is read.
///
/// # Panics
/// If `target_rate` is above `source_rate`.
pub fn resample_in_place(samples: &mut Vec<f32>, source_rate: u32, target_rate: u32) {
    assert!(
        target_rate <= source_rate,
        "{source_rate} to {target_rate} Hz needs more memory than the samples have"
    );
    let mut resampler = Resampler::new(source_rate, target_rate);
    let mut ready = Vec::new();
    let mut written = 0;
    for start in (0..samples.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(samples.len());
        resampler.push(&samples[start..end], &mut |block| {
            ready.extend_from_slice(block);
        });
        samples[written..written + ready.len()].copy_from_slice(&ready);
        written += ready.len();
        ready.clear();
    }
    resampler.finish(&mut |block| ready.extend_from_slice(block));
    samples.truncate(written);
    samples.extend_from_slice(&ready);
    samples.shrink_to_fit();
}

/// What depends on the two rates only, shared between clips and threads.
struct Plan {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// Low-pass response, scaled for the pair of transforms: shape `[bins kept]`.
    response: Vec<f32>,
    /// Samples of an input block.
    block_in: usize,
    /// Samples of an output block.
    block_out: usize,
    /// Input samples at either end of a block whose output is not valid: a multiple of `M`.
    margin_in: usize,
    /// The same in output samples.
    margin_out: usize,
    shape: Shape,
    /// Input samples for one of the lower rate.
    per_sample: f64,
}

impl Plan {
    fn new(rates: Rates) -> Self {
        let common = gcd(rates.source, rates.target);
        let (up, down) = (
            (rates.target / common) as usize,
            (rates.source / common) as usize,
        );
        let shape = Shape::of_ratio(up, down);
        let per_sample = (down as f64 / up as f64).max(1.0);
        let reach = (shape.spread() * per_sample).ceil() as usize + 1;
        let margins = reach.div_ceil(down);
        // A power of two keeps the transforms' lengths smooth for the rates that occur.
        let factor = (BLOCK / (up + down)).max(4 * margins).next_power_of_two();
        let (block_in, block_out) = (down * factor, up * factor);

        let mut planner = RealFftPlanner::<f32>::new();
        let forward = planner.plan_fft_forward(block_in);
        let inverse = planner.plan_fft_inverse(block_out);
        let mut circle = forward.make_input_vec();
        shape.write_circular(per_sample, &mut circle);
        let mut spectrum = forward.make_output_vec();
        forward
            .process(&mut circle, &mut spectrum)
            .expect("the plan made both buffers");
        // From the lower Nyquist frequency on, the response is below -120 dB: those bins are dropped.
        let kept = block_in.min(block_out) / 2;
        let response = (0..kept)
            .map(|bin| {
                let gain = shape.droop(bin as f64 / kept as f64) / block_in as f64;
                (f64::from(spectrum[bin].re) * gain) as f32
            })
            .collect();
        let (margin_in, margin_out) = (margins * down, margins * up);
        Self {
            forward,
            inverse,
            response,
            block_in,
            block_out,
            margin_in,
            margin_out,
            shape,
            per_sample,
        }
    }

    /// The plan for `rates`, made once for each of the first pairs that are seen; a service sees a handful, and a
    /// sender of odd rates cannot fill the memory.
    fn cached(rates: Rates) -> Arc<Self> {
        const MOST: usize = 16;
        static PLANS: LazyLock<Mutex<HashMap<Rates, Arc<Plan>>>> = LazyLock::new(Mutex::default);
        if let Some(plan) = PLANS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&rates)
        {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Self::new(rates));
        let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() < MOST && plan.block_in < 1 << 16 {
            plans.insert(rates, Arc::clone(&plan));
        }
        plan
    }
}

/// One clip's conversion from its source rate to a target rate.
pub(super) struct Resampler {
    /// Input samples so far.
    taken: u64,
    /// Output samples so far.
    given: u64,
    rates: Rates,
    /// `None` where the source rate is the target rate and samples pass through.
    blocks: Option<Blocks>,
}

/// Buffers of the overlap-save loop.
struct Blocks {
    plan: Arc<Plan>,
    /// Input block; its first `filled` samples are valid: shape `[block_in]`.
    input: Vec<f32>,
    filled: usize,
    /// Position of the block's first sample in the clip.
    origin: i64,
    /// Where the digital silence began that the block's first sample stands in.
    silent_since: Option<i64>,
    /// What the forward transform destroys: shape `[block_in]`.
    work: Vec<f32>,
    spectrum_in: Vec<Complex<f32>>,
    spectrum_out: Vec<Complex<f32>>,
    output: Vec<f32>,
    scratch: Vec<Complex<f32>>,
}

impl Resampler {
    /// A conversion from `source` to `target`, in Hz, neither of which may be 0.
    pub(super) fn new(source: u32, target: u32) -> Self {
        let rates = Rates { source, target };
        let blocks = (source != target).then(|| Blocks::new(Plan::cached(rates)));
        Self {
            taken: 0,
            given: 0,
            rates,
            blocks,
        }
    }

    /// Takes mono samples at the source rate and hands every finished block on.
    pub(super) fn push(&mut self, mut mono: &[f32], out: &mut dyn FnMut(&[f32])) {
        self.taken += mono.len() as u64;
        let Some(blocks) = &mut self.blocks else {
            self.given += mono.len() as u64;
            out(mono);
            return;
        };
        while !mono.is_empty() {
            let room = (blocks.input.len() - blocks.filled).min(mono.len());
            let (now, later) = mono.split_at(room);
            blocks.input[blocks.filled..blocks.filled + room].copy_from_slice(now);
            blocks.filled += room;
            mono = later;
            if blocks.filled == blocks.input.len() {
                let ready = blocks.run();
                self.given += ready.len() as u64;
                out(ready);
            }
        }
    }

    /// Hands the rest on.
    ///
    /// The whole output has `ceil(n * (target / source))` samples for `n` input samples, in floating point as librosa
    /// computes it. soxr itself gives `floor(n / (source / target) + 0.5)` (measured), and librosa pads a missing last
    /// sample with 0.
    pub(super) fn finish(mut self, out: &mut dyn FnMut(&[f32])) {
        let Some(blocks) = &mut self.blocks else {
            return;
        };
        let (taken, from, to) = (
            self.taken as f64,
            f64::from(self.rates.source),
            f64::from(self.rates.target),
        );
        let target = (taken * (to / from)).ceil() as u64;
        let computed = ((taken / (from / to) + 0.5).floor() as u64).min(target);
        while self.given < computed {
            let filled = blocks.filled;
            blocks.input[filled..].fill(0.0);
            let ready = blocks.run();
            let wanted = (computed - self.given).min(ready.len() as u64) as usize;
            self.given += wanted as u64;
            out(&ready[..wanted]);
        }
        if self.given < target {
            out(&[0.0]);
        }
    }
}

impl Blocks {
    fn new(plan: Arc<Plan>) -> Self {
        let scratch = plan
            .forward
            .get_scratch_len()
            .max(plan.inverse.get_scratch_len());
        Self {
            input: vec![0.0; plan.block_in],
            // The signal is preceded by silence.
            filled: plan.margin_in,
            origin: -(plan.margin_in as i64),
            silent_since: Some(i64::MIN / 2),
            work: vec![0.0; plan.block_in],
            spectrum_in: plan.forward.make_output_vec(),
            spectrum_out: plan.inverse.make_input_vec(),
            output: vec![0.0; plan.block_out],
            scratch: vec![Complex::default(); scratch],
            plan,
        }
    }

    /// Converts the full input block, keeps its end for the next one and returns the valid output.
    fn run(&mut self) -> &[f32] {
        let plan = &*self.plan;
        self.work.copy_from_slice(&self.input);
        let (forward, inverse) = (
            plan.forward.get_scratch_len(),
            plan.inverse.get_scratch_len(),
        );
        plan.forward
            .process_with_scratch(
                &mut self.work,
                &mut self.spectrum_in,
                &mut self.scratch[..forward],
            )
            .expect("buffers have the plan's lengths");
        self.spectrum_out.fill(Complex::default());
        for ((to, from), gain) in self
            .spectrum_out
            .iter_mut()
            .zip(&self.spectrum_in)
            .zip(&plan.response)
        {
            *to = from * gain;
        }
        plan.inverse
            .process_with_scratch(
                &mut self.spectrum_out,
                &mut self.output,
                &mut self.scratch[..inverse],
            )
            .expect("buffers have the plan's lengths and the first and last bin are real");
        self.silence();
        let plan = &*self.plan;
        let keep = plan.block_in - 2 * plan.margin_in;
        self.origin += keep as i64;
        self.input.copy_within(keep.., 0);
        self.filled = 2 * plan.margin_in;
        &self.output[plan.margin_out..plan.block_out - plan.margin_out]
    }
}

impl Blocks {
    /// Makes digital silence exact where soxr does: a transform spreads rounding errors of loud samples over its whole
    /// block, and the rate of zero crossings and the chroma of silence hear them.
    fn silence(&mut self) {
        let plan = &*self.plan;
        let length = plan.block_in;
        let next_block = length - 2 * plan.margin_in;
        let mut carried = None;
        let mut start = 0;
        for end in 0..=length {
            if end < length && self.input[end] == 0.0 {
                continue;
            }
            if end > start {
                let since = match self.silent_since {
                    Some(since) if start == 0 => since,
                    _ => self.origin + start as i64,
                };
                // What comes behind the block is not known yet; it is taken for silence.
                let until = if end == length {
                    f64::INFINITY
                } else {
                    (self.origin + end as i64) as f64
                };
                let (from, to) = plan
                    .shape
                    .silent(since as f64 / plan.per_sample, until / plan.per_sample);
                let output = |time: f64| {
                    let local = time * plan.per_sample - self.origin as f64;
                    // Casting saturates.
                    ((local * plan.block_out as f64 / length as f64).ceil() as usize)
                        .min(plan.block_out)
                };
                let (from, to) = (output(from), output(to));
                self.output[from..to.max(from)].fill(0.0);
                if start <= next_block && next_block < end {
                    carried = Some(since);
                }
            }
            start = end + 1;
        }
        self.silent_since = carried;
    }
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
