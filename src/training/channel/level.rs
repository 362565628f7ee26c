//! Level: how loud a recording is, and what happens when it is too loud.

/// The largest sample is brought to a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Level of the largest sample, in dB of full scale, at most 0.
    pub peak: f64,
}

/// Part of the samples is beyond full scale and cut there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipping {
    /// Share of the samples that is cut.
    pub share: f64,
}

impl Level {
    pub(super) fn apply(self, samples: &mut [f32]) {
        scale_to(samples, 10f64.powf(self.peak / 20.0) as f32);
    }
}

impl Clipping {
    /// Cuts, at the level that the share of the samples is above; the level becomes full scale.
    pub(super) fn apply(self, samples: &mut [f32]) {
        let mut sizes: Vec<f32> = samples.iter().map(|x| x.abs()).collect();
        let above = (self.share * samples.len() as f64) as usize;
        if above == 0 {
            return;
        }
        let at = sizes.len() - above;
        let (_, &mut limit, _) = sizes.select_nth_unstable_by(at, f32::total_cmp);
        if limit > 0.0 {
            samples
                .iter_mut()
                .for_each(|x| *x = (*x / limit).clamp(-1.0, 1.0));
        }
    }
}

/// The largest magnitude.
pub(super) fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// Mean of the squares.
pub(super) fn power(samples: &[f32]) -> f64 {
    let squares = samples.iter().map(|&x| f64::from(x) * f64::from(x));
    squares.sum::<f64>() / samples.len().max(1) as f64
}

/// Scales so that the largest magnitude is `wanted`; silence stays as it is.
pub(super) fn scale_to(samples: &mut [f32], wanted: f32) {
    let peak = peak(samples);
    if peak > 0.0 {
        let gain = wanted / peak;
        samples.iter_mut().for_each(|x| *x *= gain);
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "peak {:.1} dBFS", self.peak)
    }
}

impl std::fmt::Display for Clipping {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "clipping of {:.2} %", self.share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe;
    use super::*;

    #[test]
    fn the_peak_is_where_it_was_asked_for() {
        let mut clip = probe::noise(10_000);
        Level { peak: -20.0 }.apply(&mut clip);
        assert!((peak(&clip) - 0.1).abs() < 1e-6);
        let mut silence = vec![0.0; 100];
        Level { peak: -20.0 }.apply(&mut silence);
        assert_eq!(silence, [0.0; 100]);
    }

    #[test]
    fn the_share_of_samples_is_cut() {
        let mut clip = probe::noise(20_000);
        Clipping { share: 0.01 }.apply(&mut clip);
        let cut = clip.iter().filter(|x| x.abs() >= 1.0).count();
        assert!((195..=205).contains(&cut), "{cut}");
    }
}
