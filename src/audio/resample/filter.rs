//! The low-pass response of the resampler, fitted to measurements of soxr's "HQ" quality.
//!
//! librosa resamples with soxr_hq, and the 73 features follow its pass band up to the last band, so the response is
//! matched to it: the numbers below are a least-squares fit to the frequency response of python-soxr 0.3, measured
//! from its impulse response (integer ratios: -136 dB away in the impulse response; others: -101 to -103 dB RMS in
//! the frequency response). They are measured facts; none of soxr's code is used.
//!
//! With `t` in samples of the lower of the two rates, the kernel is a sinc under a Kaiser window,
//!
//! ```text
//! h(t) = c sinc(c t) I0(beta sqrt(1 - (t / w)^2)) / I0(beta),   |t| <= reach
//! ```
//!
//! times a gentle droop (at most 0.01 dB) that soxr's second stage adds for ratios that are not whole, with `q` the
//! frequency over the lower Nyquist frequency: `1 + sum a_k (cos(k pi q) - 1)`.

/// Parameters of one fitted response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// -6 dB point over the lower Nyquist frequency.
    cutoff: f64,
    /// Shape parameter of the Kaiser window.
    beta: f64,
    /// Half-width of the window, in samples of the lower rate.
    half_width: f64,
    /// Where the kernel ends, in samples of the lower rate.
    reach: f64,
    /// `a_1..`, the droop.
    droop: &'static [f64],
    /// Length of soxr's own blocks, in samples of the lower rate: where such a block and all that reaches it is
    /// digital silence, its output is exactly 0, and elsewhere it carries rounding errors. 0: sample by sample.
    block: f64,
    /// Where the first of those blocks begins.
    block_start: f64,
}

/// One rate is a whole multiple of the other: soxr runs a single stage.
const WHOLE: Shape = Shape {
    cutoff: 0.956_871_83,
    beta: 13.039_837_7,
    half_width: 97.249_257,
    reach: 94.5,
    droop: &[],
    block: 0.0,
    block_start: 0.0,
};

/// Downwards by a ratio that is not whole, for example 48,000 Hz or 24,000 Hz.
const DOWN: Shape = Shape {
    cutoff: 0.956_867_7,
    beta: 13.772_231_5,
    half_width: 102.426_181_7,
    reach: 102.426_181_7,
    droop: &[
        0.000_348_9,
        -0.000_300_1,
        0.000_236_8,
        -0.000_171_7,
        0.000_118_4,
        -0.000_077_8,
        0.000_051_2,
        -0.000_031_8,
        0.000_019_9,
        -0.000_010_7,
    ],
    block: 736.835,
    block_start: 3.4,
};

/// Upwards by a ratio that is not whole, for example from 16,000 Hz or 8,000 Hz.
const UP: Shape = Shape {
    cutoff: 0.956_866_4,
    beta: 13.790_344_4,
    half_width: 102.529_143_8,
    reach: 102.529_143_8,
    droop: &[
        0.000_348,
        -0.000_307_6,
        0.000_253_4,
        -0.000_193_1,
        0.000_14,
        -0.000_095_2,
        0.000_063_8,
        -0.000_040_2,
        0.000_025_4,
        -0.000_013_7,
    ],
    block: 820.0,
    block_start: 3.0,
};

impl Shape {
    /// The shape soxr shows for the reduced ratio `up / down`.
    pub(super) fn of_ratio(up: usize, down: usize) -> Self {
        match (up, down) {
            (1, _) | (_, 1) => WHOLE,
            _ if up < down => DOWN,
            _ => UP,
        }
    }

    /// Farthest that an input sample reaches, in samples of the lower rate, the droop's own spread included.
    pub(super) fn spread(&self) -> f64 {
        self.reach + self.droop.len() as f64
    }

    /// Which times hear nothing but the digital silence `from..to`, all in samples of the lower rate.
    pub(super) fn silent(&self, from: f64, to: f64) -> (f64, f64) {
        let (from, to) = (from + self.spread(), to - self.spread());
        if self.block == 0.0 {
            return (from, to);
        }
        let blocks = |time: f64| (time - self.block_start) / self.block;
        let at = |blocks: f64| blocks * self.block + self.block_start;
        (at(blocks(from).ceil()), at(blocks(to).floor()))
    }

    /// The kernel at `t`, in samples of the lower rate.
    fn kernel(&self, t: f64) -> f64 {
        if t.abs() > self.reach {
            return 0.0;
        }
        let x = std::f64::consts::PI * self.cutoff * t;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
        let u = t / self.half_width;
        self.cutoff * sinc * bessel_i0(self.beta * (1.0 - u * u).max(0.0).sqrt())
            / bessel_i0(self.beta)
    }

    /// Writes the kernel into `circle`, centred on index 0 and wrapped around, sampled `per_sample` times for each
    /// sample of the lower rate, so that its spectrum is real and its gain at 0 Hz is 1.
    pub(super) fn write_circular(&self, per_sample: f64, circle: &mut [f32]) {
        let n = circle.len();
        circle.fill(0.0);
        let last = ((self.reach * per_sample) as usize).min(n / 2 - 1);
        for i in 0..=last {
            let value = (self.kernel(i as f64 / per_sample) / per_sample) as f32;
            circle[i] = value;
            circle[(n - i) % n] = value;
        }
    }

    /// The droop's factor at `q`, the frequency over the lower Nyquist frequency.
    pub(super) fn droop(&self, q: f64) -> f64 {
        let mut gain = 1.0;
        for (k, a) in self.droop.iter().enumerate() {
            gain += a * (((k + 1) as f64 * std::f64::consts::PI * q).cos() - 1.0);
        }
        gain
    }
}

/// Modified Bessel function of the first kind, order 0: `sum ((x / 2)^k / k!)^2`.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}
