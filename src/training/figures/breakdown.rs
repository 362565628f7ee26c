//! Scores divided by what is known of the clips: kind, language, corpus, licence class, sex, and the file's bitrate,
//! bandwidth and duration.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::attribute::{By, UNKNOWN};
use super::{Score, Scored};
use crate::training::metrics::{Interval, Ranking};
use crate::training::protocol::MIN_CLIPS;
use crate::training::summary::clusters;

/// Scores divided by one thing that is known of the clips.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Breakdown {
    /// What they are divided by.
    pub by: &'static str,
    /// Its values; the most frequent first, or rising where they have an order.
    pub rows: Vec<Row>,
}

/// Figures of the clips of one value. Those of a class with fewer than 8 clips are absent: they would say nothing.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Row {
    /// The value.
    pub name: String,
    /// Human clips that were scored.
    pub human: usize,
    /// Synthetic ones.
    pub synthetic: usize,
    /// Equal error rate of all their scores, with its interval over speakers and engine families.
    pub eer: Option<Interval>,
    /// Share of the human clips' scores above the threshold.
    pub false_alarms: Option<f64>,
    /// Share of the synthetic clips' scores at or below it.
    pub misses: Option<f64>,
}

/// All breakdowns that say something: those with a value that is known, and with another one beside it.
#[must_use]
pub fn all(scored: &Scored, pooled: &[Score]) -> Vec<Breakdown> {
    let clusters = clusters(scored.clips.iter());
    let clusters = clusters.as_slice();
    let breakdown = |by: &By| {
        // Rows of each clip, found once.
        let mut rows_of: BTreeMap<usize, Vec<(usize, String)>> = BTreeMap::new();
        let mut rows: BTreeMap<(usize, String), Vec<Score>> = BTreeMap::new();
        let mut human = Vec::new();
        for &(clip, score) in pooled {
            let keys = rows_of.entry(clip).or_insert_with(|| by.rows(scored, clip));
            for key in keys {
                // Not `entry`: it would copy the name for each score.
                match rows.get_mut(key) {
                    Some(scores) => scores.push((clip, score)),
                    None => drop(rows.insert(key.clone(), vec![(clip, score)])),
                }
            }
            if *by == By::Kind && !scored.clips[clip].is_ai() {
                human.push((clip, score));
            }
        }
        let known = rows.keys().any(|(_, name)| name != UNKNOWN);
        let rows: Vec<_> = rows.into_iter().collect();
        let mut rows: Vec<(usize, Row)> = rows
            .into_par_iter()
            .map(|((place, name), mut scores)| {
                scores.extend(&human);
                (place, row(name, &scores, scored, clusters))
            })
            .collect();
        let size = |row: &Row| row.synthetic + if *by == By::Kind { 0 } else { row.human };
        rows.sort_by_key(|(place, row)| (*place, std::cmp::Reverse(size(row))));
        let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        let by = by.name();
        (known && !rows.is_empty()).then_some(Breakdown { by, rows })
    };
    By::ALL.iter().filter_map(breakdown).collect()
}

fn row(name: String, scores: &[Score], scored: &Scored, clusters: &[usize]) -> Row {
    let is_ai: Vec<bool> = scores
        .iter()
        .map(|&(i, _)| scored.clips[i].is_ai())
        .collect();
    let count = |class: bool| {
        let of_class = scores.iter().zip(&is_ai).filter(|(_, ai)| **ai == class);
        of_class
            .map(|((clip, _), _)| clip)
            .collect::<BTreeSet<_>>()
            .len()
    };
    let (human, synthetic) = (count(false), count(true));
    let above = |class: bool| {
        let of_class = scores.iter().zip(&is_ai).filter(|(_, ai)| **ai == class);
        let (called, all) = of_class.fold((0, 0_usize), |(called, all), ((_, score), _)| {
            (called + usize::from(*score > scored.threshold), all + 1)
        });
        called as f64 / all as f64
    };
    let interval = || {
        let values: Vec<f64> = scores.iter().map(|&(_, score)| score).collect();
        let clusters: Vec<usize> = scores.iter().map(|&(clip, _)| clusters[clip]).collect();
        Ranking::new(&values, &is_ai).eer_interval(&clusters, scored.seed)
    };
    let (humans, ais) = (human >= MIN_CLIPS, synthetic >= MIN_CLIPS);
    Row {
        name,
        human,
        synthetic,
        eer: (humans && ais).then(interval),
        false_alarms: humans.then(|| above(false)),
        misses: ais.then(|| 1.0 - above(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute::stored_bitrate;
    use super::super::example;
    use super::*;
    use crate::training::channel::{Chain, Channel, Preset};
    use crate::training::manifest::{Clip, Label};
    use crate::training::recording::Recording;

    fn clip(i: usize) -> Clip {
        let label = if i.is_multiple_of(2) {
            Label::Human
        } else {
            Label::Ai
        };
        Clip {
            language: if i < 24 { "en" } else { "hi" }.into(),
            kind: if i % 4 == 1 { "codec" } else { "neural-tts" }.into(),
            speaker: format!("s{i}"),
            family: format!("f{}", i % 8),
            sex: if i == 0 { "female" } else { "" }.into(),
            licence: "cc0".into(),
            duration_seconds: Some(2.5 + i as f64 / 10.0),
            ..Clip::new(format!("{i}.mp3"), label)
        }
    }

    fn named<'a>(breakdowns: &'a [Breakdown], by: &str) -> &'a [Row] {
        let found = breakdowns.iter().find(|breakdown| breakdown.by == by);
        &found
            .unwrap_or_else(|| panic!("no {by} in {breakdowns:?}"))
            .rows
    }

    #[test]
    fn rows_have_the_figures_of_their_clips() {
        // 15 human and 15 synthetic clips; the first 24 in English. Two models score all of them.
        let clips: Vec<Clip> = (0..30).map(clip).collect();
        let all_clips: Vec<usize> = (0..30).collect();
        let folds = [example::fold(0, &all_clips), example::fold(1, &all_clips)];
        // Humans 0.2 and synthetic 0.8, but for human 0 (false alarm of both models) and synthetic 1 (miss of one).
        let score = |model: usize, i: usize| match (i, model) {
            (0, _) => 0.9,
            (1, 1) => 0.1,
            _ if i.is_multiple_of(2) => 0.2,
            _ => 0.8,
        };
        let scores = [0, 1].map(|model| (0..30).map(|i| score(model, i)).collect::<Vec<_>>());
        let scored = example::scored(&clips, &[], &folds, &scores);
        let found = all(&scored, &scored.pooled());

        let languages = named(&found, "language");
        let [english, hindi] = languages else {
            panic!("{languages:?}")
        };
        assert_eq!(
            (english.name.as_str(), english.human, english.synthetic),
            ("en", 12, 12)
        );
        assert_eq!(english.false_alarms, Some(1.0 / 12.0));
        assert!((english.misses.unwrap() - 1.0 / 24.0).abs() < 1e-12);
        let eer = english.eer.unwrap();
        assert!((eer.value - 1.0 / 16.0).abs() < 1e-12, "{eer:?}");
        assert!(eer.low < eer.value && eer.value < eer.high, "{eer:?}");
        assert_eq!((hindi.human, hindi.synthetic), (3, 3));
        assert_eq!(
            (hindi.eer, hindi.false_alarms, hindi.misses),
            (None, None, None)
        );

        // Every kind stands against all human clips.
        let kinds = named(&found, "kind");
        let listed: Vec<_> = kinds
            .iter()
            .map(|row| {
                (
                    row.name.as_str(),
                    row.human,
                    row.synthetic,
                    row.false_alarms,
                )
            })
            .collect();
        let alarms = Some(1.0 / 15.0);
        assert_eq!(
            listed,
            [("codec", 15, 8, alarms), ("neural-tts", 15, 7, alarms)]
        );
        assert!(kinds[1].eer.is_none() && kinds[0].eer.is_some());

        let durations: Vec<_> = named(&found, "duration")
            .iter()
            .map(|row| (row.name.as_str(), row.human + row.synthetic))
            .collect();
        assert_eq!(
            durations,
            [("under 3 s", 5), ("3 to 5 s", 20), ("5 to 7.5 s", 5)]
        );
        // One clip is known to be a woman's; nothing is known of any file, nor passed a channel.
        assert_eq!(named(&found, "sex")[0].name, "female");
        assert_eq!(named(&found, "sex")[1].name, UNKNOWN);
        for by in ["bitrate", "bandwidth", "channel", "corpus"] {
            assert!(found.iter().all(|breakdown| breakdown.by != by), "{by}");
        }
    }

    #[test]
    fn files_are_divided_by_what_was_measured() {
        let clips = example::clips();
        let recording = |bitrate: Option<f64>, bandwidth: f64| Recording {
            channel: Some(vec![0.0, 0.0, bandwidth, 4.0, 0.0, 0.0, 0.0, 0.0]),
            mp3_bitrate: bitrate,
        };
        let recordings = [
            recording(Some(47.2), 3_000.0),
            recording(Some(64.0), 3_600.0),
            recording(None, 8_000.0),
            recording(Some(48.4), 10_000.0),
            Recording::default(),
            recording(Some(16.0), 6_000.0),
        ];
        let folds = [example::fold(0, &[0, 1, 2, 3, 4, 5])];
        let scores = [vec![0.5; 6]];
        let scored = example::scored(&clips, &recordings, &folds, &scores);
        let found = all(&scored, &scored.pooled());
        let sizes = |by: &str| -> Vec<_> {
            let rows = named(&found, by).iter();
            rows.map(|row| (row.name.clone(), row.human, row.synthetic))
                .collect()
        };
        let row = |name: &str, human, synthetic| (name.to_owned(), human, synthetic);
        assert_eq!(
            sizes("bitrate"),
            [
                row("16 kbit/s", 0, 1),
                row("48 kbit/s", 1, 1),
                row("64 kbit/s", 1, 0),
                row("no MP3", 1, 0),
                row(UNKNOWN, 0, 1)
            ]
        );
        assert_eq!(
            sizes("bandwidth"),
            [
                row("up to 3.6 kHz", 1, 0),
                row("3.6 to 5 kHz", 1, 0),
                row("5 to 7 kHz", 0, 1),
                row("7 to 9 kHz", 1, 0),
                row("9 kHz and more", 0, 1),
                row(UNKNOWN, 0, 1)
            ]
        );
        assert_eq!(
            sizes("duration"),
            [row("3 to 5 s", 3, 2), row(UNKNOWN, 0, 1)]
        );
    }

    #[test]
    fn copies_are_divided_by_the_steps_that_they_passed() {
        let clips = example::clips();
        let channel = Channel::without_ffmpeg(Preset::Study);
        let chains: Vec<Chain> = (0..6).map(|i| channel.chain(&format!("{i}"))).collect();
        let folds = [example::fold(0, &[0, 1, 2, 3, 4, 5])];
        let scores = [vec![0.5; 6]];
        let scored = Scored {
            chains: &chains,
            ..example::scored(&clips, &[], &folds, &scores)
        };
        let found = all(&scored, &scored.pooled());
        let noisy = |chain: &&Chain| chain.to_string().contains("noise");
        let wanted = chains.iter().filter(noisy).count();
        let rows = named(&found, "channel");
        let noise = rows.iter().find(|row| row.name == "with noise");
        assert_eq!(noise.map_or(0, |row| row.human + row.synthetic), wanted);
        let of = |names: [&str; 2]| -> usize {
            let rows = rows.iter().filter(|row| names.contains(&row.name.as_str()));
            rows.map(|row| row.human + row.synthetic).sum()
        };
        assert_eq!(of(["with noise", "without noise"]), 6);
        assert_eq!(of(["with band limit", "without band limit"]), 6);
        // Every copy of this preset is an MP3 file, of the bitrate that its chain says.
        for row in named(&found, "bitrate") {
            let rate = row.name.strip_suffix(" kbit/s").unwrap();
            let of_rate = |chain: &&Chain| stored_bitrate(chain).unwrap().to_string() == rate;
            let wanted = chains.iter().filter(of_rate).count();
            assert_eq!(row.human + row.synthetic, wanted, "{rate}");
        }
    }
}
