//! Pictures of one or several conditions: DET curve, reliability diagram, score distributions, learning curve.

use super::canvas::{Anchor, Canvas, Frame, percents, picture};
use super::ink::Ink;
use crate::training::figures::det::deviate;
use crate::training::figures::{Figures, distribution};
use crate::training::learning_curve::Point;

/// Size of the pictures that stand side by side.
const SIZE: (f64, f64) = (400.0, 330.0);

/// Rates on the axes of DET curves.
const RATES: [f64; 9] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];
/// The largest rate on them.
const HIGHEST: f64 = 0.9;

/// False alarms against misses on normal-deviate axes, one curve for each condition.
pub(super) fn det(conditions: &[(String, &Figures)]) -> String {
    let range = [deviate(0.003), deviate(HIGHEST)];
    let frame = Frame::new(SIZE, range, range);
    let label = "DET curve: miss rate against false alarm rate, on normal-deviate axes";
    picture(SIZE.0, SIZE.1, label, |canvas| {
        let ticks: Vec<_> = percents(RATES)
            .into_iter()
            .map(|(rate, name)| (deviate(rate), name))
            .collect();
        frame.draw(
            canvas,
            (&ticks, "false alarms: human called synthetic, %"),
            (&ticks, "misses: synthetic called human, %"),
        );
        let ends = [frame.at(range[0], range[0]), frame.at(range[1], range[1])];
        canvas.line(&ends, Ink::Axis, 1.0);
        for (place, (_, figures)) in conditions.iter().enumerate().rev() {
            let ink = Ink::condition(place);
            let deviates = figures.det.iter().map(|&[x, y]| (deviate(x), deviate(y)));
            let seen = deviates.filter(|&(x, y)| frame.x.holds(x) && frame.y.holds(y));
            let points: Vec<_> = seen.map(|(x, y)| frame.at(x, y)).collect();
            canvas.line(&points, ink, 2.0);
            // The curve crosses the diagonal at the EER.
            let gap = |[alarms, misses]: &[f64; 2]| (alarms - misses).abs();
            let crossing = figures.det.iter().min_by(|a, b| gap(a).total_cmp(&gap(b)));
            if let Some(&[alarms, misses]) = crossing {
                let eer = deviate(f64::midpoint(alarms, misses));
                canvas.dot(frame.at(eer, eer), 4.0, ink);
            }
        }
    })
}

/// What a probability says against what is true, one line for each condition.
pub(super) fn reliability(conditions: &[(String, &Figures)]) -> String {
    let frame = Frame::new(SIZE, [0.0, 1.0], [0.0, 1.0]);
    let label =
        "Reliability diagram: share that is synthetic against the probability that was given";
    picture(SIZE.0, SIZE.1, label, |canvas| {
        let ticks = percents((0..=5).map(|i| f64::from(i) / 5.0));
        frame.draw(
            canvas,
            (&ticks, "probability given, %"),
            (&ticks, "share that is synthetic, %"),
        );
        canvas.line(&[frame.at(0.0, 0.0), frame.at(1.0, 1.0)], Ink::Axis, 1.0);
        for (place, (_, figures)) in conditions.iter().enumerate().rev() {
            let bins = figures.reliability.iter();
            let points: Vec<_> = bins
                .map(|bin| frame.at(bin.probability, bin.share))
                .collect();
            let ink = Ink::condition(place);
            canvas.line(&points, ink, 2.0);
            points.iter().for_each(|&point| canvas.dot(point, 3.5, ink));
        }
    })
}

/// Height of the scores of one condition.
const PANEL: f64 = 165.0;

/// How the scores of both classes are spread, one panel below the other for each condition.
pub(super) fn spread(conditions: &[(String, &Figures)], threshold: f64) -> String {
    let highest = highest_share(conditions);
    let size = (SIZE.0, 20.0 + PANEL * conditions.len() as f64);
    let label = "Scores of human and of synthetic clips";
    picture(size.0, size.1, label, |canvas| {
        for (place, (name, figures)) in conditions.iter().enumerate() {
            let top = place as f64 * PANEL;
            let mut frame = Frame::new((size.0, PANEL + 20.0), [0.0, 1.0], [0.0, highest]);
            frame.y.start += top;
            frame.y.end += top;
            let last = place + 1 == conditions.len();
            let x = percents((0..=5).map(|i| f64::from(i) / 5.0));
            let step = [0.01, 0.02, 0.05, 0.1, 0.2]
                .into_iter()
                .find(|step| highest / step <= 5.0)
                .unwrap_or(0.5);
            let y = percents((0..=(highest / step) as u32).map(|i| f64::from(i) * step));
            let title = if last { "P(AI), %" } else { "" };
            frame.draw(canvas, (&x, title), (&y, "share of the class, %"));
            let at = frame.x.at(threshold);
            canvas.line(&[(at, frame.y.start), (at, frame.y.end)], Ink::Axis, 1.5);
            let classes = [
                (&figures.distribution.human, Ink::Human),
                (&figures.distribution.synthetic, Ink::Synthetic),
            ];
            for (shares, ink) in classes {
                steps(canvas, &frame, shares, ink);
            }
            if conditions.len() > 1 {
                let corner = (frame.x.end - 4.0, frame.y.end + 8.0);
                canvas.text(corner, name, 12.0, Ink::Text, Anchor::Left);
            }
        }
    })
}

/// The outline of a histogram and what is below it.
fn steps(canvas: &Canvas, frame: &Frame, shares: &[f64], ink: Ink) {
    let edge = |bin: usize| bin as f64 / distribution::BINS as f64;
    let mut points = vec![frame.at(0.0, 0.0)];
    for (bin, &share) in shares.iter().enumerate() {
        points.push(frame.at(edge(bin), share));
        points.push(frame.at(edge(bin + 1), share));
    }
    points.push(frame.at(1.0, 0.0));
    canvas.area(&points, ink, 0.22);
    canvas.line(&points, ink, 1.75);
}

/// The largest share in any bin, with room above.
fn highest_share(conditions: &[(String, &Figures)]) -> f64 {
    let shares = conditions.iter().flat_map(|(_, figures)| {
        let spread = &figures.distribution;
        spread.human.iter().chain(&spread.synthetic)
    });
    1.08 * shares.fold(0.05, |most: f64, &share| most.max(share))
}

/// EER by the number of families that a model learned from, with intervals; the number on a logarithmic axis.
pub(super) fn learning_curve(points: &[Point]) -> String {
    let families = |point: &Point| point.families.max(1.0).log2();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return String::new();
    };
    let highest = points.iter().fold(0.1, |most: f64, p| most.max(p.eer.high));
    let highest = ((highest * 10.0).ceil() / 10.0).min(1.0);
    let x = [families(first) - 0.35, families(last) + 0.35];
    let frame = Frame::new(SIZE, x, [0.0, highest]);
    let label = "Learning curve: EER against the number of engine families in training";
    picture(SIZE.0, SIZE.1, label, |canvas| {
        let tick = |point: &Point| (families(point), format!("{:.0}", point.families));
        let ticks: Vec<_> = points.iter().map(tick).collect();
        let step = if highest > 0.5 { 0.2 } else { 0.1 };
        let rates = percents((0..=(highest / step).round() as u32).map(|i| f64::from(i) * step));
        frame.draw(
            canvas,
            (&ticks, "engine families in training"),
            (&rates, "EER of unseen families, %"),
        );
        let ink = Ink::condition(0);
        let line: Vec<_> = points
            .iter()
            .map(|point| frame.at(families(point), point.eer.value))
            .collect();
        for (point, &(x, y)) in points.iter().zip(&line) {
            let [low, high] = [point.eer.low, point.eer.high].map(|rate| frame.y.at(rate));
            canvas.line(&[(x, low), (x, high)], ink, 1.5);
            let name = format!("{:.1}", point.eer.value * 100.0);
            canvas.dot((x, y), 4.0, ink);
            canvas.text((x + 7.0, y - 9.0), &name, 11.0, Ink::Text, Anchor::Right);
        }
        canvas.line(&line, ink, 2.0);
    })
}
