//! Detection error trade-off: false alarms against misses at every threshold (Martin et al., "The DET curve in assessment
//! of detection task performance", 1997).

use super::rounded;
use crate::training::metrics::Ranking;

/// Most points of a curve.
const MOST: usize = 120;
/// Rates are drawn from this one up to its complement.
pub const LOWEST: f64 = 0.002;

/// The curve of `scores`, P(AI), from strict to lax thresholds, shape `[points][2]`: false alarm rate (human called
/// synthetic) and miss rate (synthetic called human). Of curves with many thresholds those points are kept that lie
/// furthest apart on normal-deviate axes. Rates to four decimals. Empty if a class is missing.
#[must_use]
pub fn points(scores: &[f64], is_ai: &[bool]) -> Vec<[f64; 2]> {
    if !(is_ai.contains(&true) && is_ai.contains(&false)) {
        return Vec::new();
    }
    let kept = thinned(&Ranking::new(scores, is_ai).error_rates(), MOST);
    kept.into_iter().map(|point| point.map(rounded)).collect()
}

/// At most about `most` points: the corners of the steps that are a fair distance on.
fn thinned(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    let deviates = |[x, y]: [f64; 2]| [deviate(x), deviate(y)];
    let apart = |a: [f64; 2], b: [f64; 2]| {
        let (a, b) = (deviates(a), deviates(b));
        (a[0] - b[0]).abs() + (a[1] - b[1]).abs()
    };
    // From corner to corner the curve is this long, on normal-deviate axes.
    let step = 4.0 * -deviate(LOWEST) / most as f64;
    let mut kept: Vec<[f64; 2]> = Vec::with_capacity(most + 2);
    for &point in points {
        if kept.last().is_none_or(|&last| apart(last, point) >= step) {
            kept.push(point);
        }
    }
    if let (Some(&end), Some(last)) = (points.last(), kept.last_mut())
        && *last != end
    {
        if apart(*last, end) > 0.0 {
            kept.push(end);
        } else {
            *last = end;
        }
    }
    kept
}

/// Where a rate stands on a normal-deviate axis; rates beyond [`LOWEST`] and its complement stand there.
#[must_use]
pub fn deviate(rate: f64) -> f64 {
    let p = rate.clamp(LOWEST, 1.0 - LOWEST);
    if p > 0.5 {
        return -deviate(1.0 - p);
    }
    // Abramowitz and Stegun, 26.2.23: within 4.5e-4.
    let t = (-2.0 * p.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    above / below - t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_threshold_of_a_few_clips_is_a_point() {
        // Falling: ai 0.9, human 0.8, ai 0.7 with human 0.7, human 0.1.
        let scores = [0.9, 0.8, 0.7, 0.7, 0.1];
        let is_ai = [true, false, true, false, false];
        let wanted = [
            [0.0, 1.0],
            [0.0, 0.5],
            [0.3333, 0.5],
            [0.6667, 0.0],
            [1.0, 0.0],
        ];
        assert_eq!(points(&scores, &is_ai), wanted);
        assert_eq!(
            points(&scores, &[true; 5]),
            [[0.0; 2]; 0],
            "one class alone"
        );
    }

    #[test]
    fn normal_deviates_are_those_of_the_tables() {
        for (rate, wanted) in [
            (0.5, 0.0),
            (0.158_655, -1.0),
            (0.022_75, -2.0),
            (0.975, 1.959_964),
            (0.9, 1.281_552),
        ] {
            let found = deviate(rate);
            assert!((found - wanted).abs() < 5e-4, "{rate}: {found}");
        }
        assert_eq!(deviate(0.0), deviate(LOWEST));
        assert_eq!(deviate(1.0), -deviate(LOWEST));
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        // Thresholds of two interleaved classes: misses are one minus false alarms.
        let scores: Vec<f64> = (0..20_000).map(|i| f64::from(i) / 20_000.0).collect();
        let is_ai: Vec<bool> = (0..20_000).map(|i| i % 2 == 0).collect();
        let points = points(&scores, &is_ai);
        assert!((60..=122).contains(&points.len()), "{}", points.len());
        assert_eq!(points[0], [0.0, 1.0]);
        assert_eq!(*points.last().unwrap(), [1.0, 0.0]);
        for [alarms, misses] in points {
            assert!((alarms + misses - 1.0).abs() < 1e-3, "{alarms} {misses}");
        }
    }
}
