//! Bars of error rates with their intervals: one row a value, one bar a condition.

use super::canvas::{Anchor, Axis, Canvas, picture};
use super::ink::Ink;
use super::shortened;
use crate::training::figures::{Breakdown, Row};
use crate::training::metrics::Interval;

const WIDTH: f64 = 400.0;
/// Where bars begin.
const LEFT: f64 = 142.0;
const BAR: f64 = 11.0;
const GAP: f64 = 10.0;
/// Most rows of a picture; the table beside it holds all.
const MOST: usize = 16;

/// Values in the order of the first breakdown that has them, each with its row in every condition. Bitrates of files and
/// of channels differ: theirs are put in order.
pub(super) fn merged<'a>(
    breakdowns: &[Option<&'a Breakdown>],
) -> Vec<(&'a str, Vec<Option<&'a Row>>)> {
    let mut merged: Vec<(&str, Vec<Option<&Row>>)> = Vec::new();
    for (place, breakdown) in breakdowns.iter().enumerate() {
        for row in breakdown.iter().flat_map(|breakdown| &breakdown.rows) {
            let known = merged.iter().position(|(name, _)| *name == row.name);
            let index = known.unwrap_or_else(|| {
                merged.push((&row.name, vec![None; breakdowns.len()]));
                merged.len() - 1
            });
            merged[index].1[place] = Some(row);
        }
    }
    let bitrates = breakdowns.iter().flatten().any(|b| b.by == "bitrate");
    if bitrates {
        let number = |name: &str| name.split(' ').next().and_then(|word| word.parse().ok());
        merged.sort_by_key(|(name, _)| number(name).unwrap_or(u32::MAX));
    }
    merged
}

/// A value's rows that have an error rate, each with the place of its condition.
fn rated<'a>(rows: &'a [Option<&Row>]) -> impl Iterator<Item = (usize, Interval)> + 'a {
    let rows = rows.iter().enumerate();
    rows.filter_map(|(place, row)| Some((place, row.as_ref()?.eer?)))
}

/// The bars of one breakdown in each condition; nothing where no row has an error rate.
pub(super) fn bars(by: &str, breakdowns: &[Option<&Breakdown>]) -> Option<String> {
    let mut rows = merged(breakdowns);
    rows.retain(|(_, rows)| rated(rows).next().is_some());
    rows.truncate(MOST);
    if rows.is_empty() {
        return None;
    }
    let height_of = |rows: &[Option<&Row>]| rated(rows).count() as f64 * BAR + GAP;
    let heights = rows.iter().map(|(_, rows)| height_of(rows));
    let height = 4.0 + heights.sum::<f64>() + 24.0;
    let eers = rows.iter().flat_map(|(_, rows)| rated(rows));
    let highest = eers.fold(0.3, |most: f64, (_, eer)| most.max(eer.high).max(eer.value));
    let highest = ((highest * 10.0).ceil() / 10.0).min(1.0);
    let axis = Axis {
        from: 0.0,
        to: highest,
        start: LEFT,
        end: WIDTH - 34.0,
    };
    let bottom = height - 24.0;
    let svg = picture(WIDTH, height, &format!("EER by {by}"), |canvas| {
        let step = if highest > 0.5 { 0.2 } else { 0.1 };
        for i in 0..=(highest / step).round() as u32 {
            let rate = f64::from(i) * step;
            let at = axis.at(rate);
            canvas.line(&[(at, 4.0), (at, bottom)], Ink::Grid, 1.0);
            let name = format!("{:.0} %", rate * 100.0);
            canvas.text((at, bottom + 5.0), &name, 11.0, Ink::Muted, Anchor::Below);
        }
        let mut top = 4.0;
        for (name, rows) in &rows {
            let height = height_of(rows);
            let name = shortened(name, 21);
            let at = (LEFT - 8.0, top + height / 2.0);
            canvas.text(at, &name, 12.0, Ink::Text, Anchor::Left);
            for (index, (place, eer)) in rated(rows).enumerate() {
                let top = top + GAP / 2.0 + index as f64 * BAR;
                bar(canvas, &axis, top, &eer, Ink::condition(place));
            }
            top += height;
        }
        canvas.line(&[(LEFT, 4.0), (LEFT, bottom)], Ink::Axis, 1.0);
    });
    Some(svg)
}

/// One bar with its interval and its number.
fn bar(canvas: &Canvas, axis: &Axis, top: f64, eer: &Interval, ink: Ink) {
    let (end, middle) = (axis.at(eer.value), top + BAR / 2.0);
    canvas.rectangle((LEFT, top + 1.0), (end, top + BAR - 1.0), ink);
    let [low, high] = [eer.low, eer.high].map(|rate| axis.at(rate.min(axis.to)));
    canvas.line(&[(low, middle), (high, middle)], Ink::Text, 1.0);
    let (at, number) = (
        (high.max(end) + 4.0, middle),
        format!("{:.0}", eer.value * 100.0),
    );
    canvas.text(at, &number, 10.0, Ink::Muted, Anchor::Right);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breakdown(by: &'static str, rows: &[(&str, Option<f64>)]) -> Breakdown {
        let row = |&(name, eer): &(&str, Option<f64>)| Row {
            name: name.into(),
            human: 9,
            synthetic: 9,
            eer: eer.map(|value| Interval {
                value,
                low: value - 0.05,
                high: value + 0.05,
            }),
            false_alarms: None,
            misses: None,
        };
        Breakdown {
            by,
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn rows_of_several_conditions_stand_together() {
        let recorded = breakdown("bitrate", &[("40 kbit/s", Some(0.1)), ("no MP3", None)]);
        let channel = breakdown(
            "bitrate",
            &[("8 kbit/s", Some(0.4)), ("40 kbit/s", Some(0.2))],
        );
        let rows = merged(&[Some(&recorded), Some(&channel)]);
        let names: Vec<_> = rows.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["8 kbit/s", "40 kbit/s", "no MP3"]);
        let eers = |row: usize| {
            rows[row]
                .1
                .iter()
                .map(|r| r.and_then(|r| r.eer).map(|e| e.value))
        };
        assert!(eers(1).eq([Some(0.1), Some(0.2)]));
        assert!(eers(0).eq([None, Some(0.4)]));
    }

    #[test]
    fn a_bar_is_as_long_as_its_rate() {
        let one = breakdown("kind", &[("codec", Some(0.15)), ("hardly any", None)]);
        let svg = bars("kind", &[Some(&one)]).unwrap();
        assert!(
            svg.contains(">\ncodec\n<") && !svg.contains("hardly any"),
            "{svg}"
        );
        // Of the 224 pixels up to 30 %, half; 8 units each.
        assert!(svg.contains("width=\"896\""), "{svg}");
        assert_eq!(
            bars("kind", &[Some(&breakdown("kind", &[("few", None)])), None]),
            None
        );
    }
}
