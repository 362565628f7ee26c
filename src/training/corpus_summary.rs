//! What a training or an evaluation had for data, as reports and artifacts tell it.

use std::collections::BTreeMap;

use super::copies::CopySummary;
use super::corpus::{Corpus, Skipped};
use super::report::line;

/// What the data was.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CorpusSummary {
    /// Human clips.
    pub human: usize,
    /// Synthetic clips.
    pub ai: usize,
    /// Speaker ids of the human clips.
    pub human_speakers: usize,
    /// Engines of the synthetic clips.
    pub engines: usize,
    /// Families of those engines.
    pub families: usize,
    /// Clips by licence class: human, synthetic.
    pub licences: BTreeMap<String, [usize; 2]>,
    /// Clips by language: human, synthetic.
    pub languages: BTreeMap<String, [usize; 2]>,
    /// Clips by kind of engine.
    pub kinds: BTreeMap<String, usize>,
    /// Clips of held-out speakers, by speaker.
    pub held_out: BTreeMap<String, usize>,
    /// Copies through the random channel; none where no clip was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<CopySummary>,
    /// Clips that were left out on purpose, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// Repositories and public corpora that clips are from: clips of each.
    pub repositories: BTreeMap<String, usize>,
    /// Packages that clips were made from, name -> version.
    pub packages: BTreeMap<String, String>,
    /// Clips that could not be read or judged.
    pub skipped: Vec<Skipped>,
}

impl CorpusSummary {
    /// Sums up `corpus`.
    #[must_use]
    pub fn new<R>(corpus: &Corpus<R>) -> Self {
        let mut licences: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        let mut languages: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for clip in &corpus.clips {
            let side = usize::from(clip.is_ai());
            licences.entry(clip.licence_class().into()).or_default()[side] += 1;
            let language = if clip.language.is_empty() {
                "unknown"
            } else {
                &clip.language
            };
            languages.entry(language.into()).or_default()[side] += 1;
        }
        let distinct = |ai: bool, key: fn(&super::manifest::Clip) -> &str| {
            let side = corpus.clips.iter().filter(|clip| clip.is_ai() == ai);
            side.map(key)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        };
        let ai = corpus.clips.iter().filter(|clip| clip.is_ai()).count();
        Self {
            human: corpus.clips.len() - ai,
            ai,
            human_speakers: distinct(false, |clip| &clip.speaker),
            engines: distinct(true, |clip| &clip.engine),
            families: distinct(true, |clip| &clip.family),
            licences,
            languages,
            kinds: corpus
                .count_by(|clip| &clip.kind)
                .into_iter()
                .map(|(kind, n)| (kind.into(), n))
                .collect(),
            held_out: corpus.held_out.clone(),
            copies: corpus.copy_options.summary(),
            left_out: corpus.left_out.clone(),
            repositories: corpus
                .count_by(|clip| &clip.repo)
                .into_iter()
                .filter(|(repo, _)| !repo.is_empty())
                .map(|(repo, n)| (repo.into(), n))
                .collect(),
            packages: corpus.packages.clone(),
            skipped: corpus.skipped.clone(),
        }
    }

    /// One line, as the artifact carries it.
    #[must_use]
    pub fn line(&self) -> String {
        let open = self
            .licences
            .get("open")
            .map_or(0, |[human, ai]| human + ai);
        format!(
            "{} synthetic clips by {} engines in {} families, {} human clips by {} speaker ids; {open} under an open licence",
            self.ai, self.engines, self.families, self.human, self.human_speakers
        )
    }

    /// The tables of the model card's section on the data.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{}.\n\n| | human | synthetic |\n| --- | --- | --- |\n",
            self.line()
        );
        let rows = self
            .licences
            .iter()
            .map(|(name, sides)| (format!("licence: {name}"), sides));
        let rows = rows.chain(
            self.languages
                .iter()
                .map(|(name, sides)| (format!("language: {name}"), sides)),
        );
        for (name, [human, ai]) in rows {
            line(&mut text, format_args!("| {name} | {human} | {ai} |"));
        }
        let held: usize = self.held_out.values().sum();
        let speakers: Vec<_> = self
            .held_out
            .iter()
            .map(|(name, n)| format!("`{name}` ({n})"))
            .collect();
        line(
            &mut text,
            format_args!(
                "\nHeld out: {held} clips of the speakers {}.",
                speakers.join(", ")
            ),
        );
        if let Some(copies) = self.copies.as_ref().filter(|copies| copies.training > 0) {
            line(&mut text, format_args!("Added: {copies}."));
        }
        let left_out: Vec<_> = self
            .left_out
            .iter()
            .map(|(reason, n)| format!("{reason} ({n})"))
            .collect();
        if !left_out.is_empty() {
            line(
                &mut text,
                format_args!("Left out on purpose: {}.", left_out.join(", ")),
            );
        }
        if !(self.repositories.is_empty() && self.packages.is_empty()) {
            line(
                &mut text,
                format_args!(
                    "From {} repositories and {} packages, which the JSON report lists.",
                    self.repositories.len(),
                    self.packages.len()
                ),
            );
        }
        line(
            &mut text,
            format_args!(
                "Left out because they could not be read or judged: {}.",
                self.skipped.len()
            ),
        );
        text
    }
}
