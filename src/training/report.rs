//! Reports: what is written as JSON and Markdown, and into the model card.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::TrainingError;
use super::corpus::{Corpus, Skipped};
use super::evaluate::{EvaluateOptions, EvaluateReport, Part, ProtocolReport};
use super::metrics::Interval;
use super::protocol::Protocol;

/// What the data was.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
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
    pub fn new(corpus: &Corpus) -> Self {
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

fn line(text: &mut String, arguments: std::fmt::Arguments) {
    writeln!(text, "{arguments}").expect("writing to a string cannot fail");
}

fn percent(interval: &Interval) -> String {
    let Interval { value, low, high } = interval;
    format!(
        "{:.1} % ({:.1} to {:.1})",
        value * 100.0,
        low * 100.0,
        high * 100.0
    )
}

/// What a protocol's row is called.
fn title(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Random => "random split (5 folds, stratified)",
        Protocol::LeaveFamilySourceOut => "unseen engine family and unseen human source",
        Protocol::LeaveCorpusOut => "unseen speech corpus, both classes",
    }
}

impl EvaluateReport {
    /// The figures as Markdown tables: what stands in `metrics.md` and in the model card.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{}, features `{}`: {}.\n",
            self.estimator, self.features, self.settings
        );
        if self.disjoint_speakers {
            text.push_str(
                "Every clip of a tested speaker, of either class, was left out of training.\n",
            );
        }
        text.push_str("95 % bootstrap intervals in brackets: over speakers and engine families in the random split, else over what is left out.\n\n");
        text.push_str("| protocol | EER | AUC | models fitted |\n| --- | --- | --- | --- |\n");
        for report in &self.protocols {
            let Interval { value, low, high } = report.auc;
            let (name, eer) = (title(report.protocol), percent(&report.eer));
            line(
                &mut text,
                format_args!(
                    "| {name} | {eer} | {value:.3} ({low:.3} to {high:.3}) | {} |",
                    report.fits
                ),
            );
        }
        pooled_table(&mut text, &self.protocols);
        kinds_table(&mut text, &self.protocols);
        for report in self
            .protocols
            .iter()
            .filter(|report| !report.groups.is_empty())
        {
            line(
                &mut text,
                format_args!("\nEER, {}, one by one:\n", title(report.protocol)),
            );
            let mut groups: Vec<&Part> = report.groups.iter().collect();
            groups.sort_by(|a, b| b.eer.total_cmp(&a.eer));
            let cells: Vec<_> = groups
                .iter()
                .map(|g| format!("{} {:.0} %", g.name, g.eer * 100.0))
                .collect();
            line(&mut text, format_args!("{}.", cells.join(", ")));
        }
        text
    }
}

fn pooled_table(text: &mut String, protocols: &[ProtocolReport]) {
    text.push_str("\nProbabilities of all folds together, at one threshold:\n\n");
    text.push_str("| protocol | EER | calibration error | found at 1 % false alarms | at 5 % |\n");
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for report in protocols {
        let pooled = report.pooled;
        line(
            text,
            format_args!(
                "| {} | {:.1} % | {:.3} | {:.1} % | {:.1} % |",
                title(report.protocol),
                pooled.eer * 100.0,
                pooled.calibration_error,
                pooled.detection_at_1_percent * 100.0,
                pooled.detection_at_5_percent * 100.0
            ),
        );
    }
}

fn kinds_table(text: &mut String, protocols: &[ProtocolReport]) {
    let columns: Vec<_> = protocols
        .iter()
        .filter(|report| !report.kinds.is_empty())
        .collect();
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (column, report) in columns.iter().enumerate() {
        for part in &report.kinds {
            let cells = rows
                .entry(&part.name)
                .or_insert_with(|| vec!["-".into(); columns.len()]);
            cells[column] = format!("{:.1} %", part.eer * 100.0);
        }
    }
    if rows.is_empty() {
        return;
    }
    let titles: Vec<_> = columns
        .iter()
        .map(|report| title(report.protocol))
        .collect();
    line(
        text,
        format_args!("\n| EER by kind of engine | {} |", titles.join(" | ")),
    );
    line(
        text,
        format_args!("| --- |{}", " --- |".repeat(titles.len())),
    );
    for (kind, cells) in rows {
        line(text, format_args!("| {kind} | {} |", cells.join(" | ")));
    }
}

/// Writes `metrics.json` and `metrics.md`, and the model card's section if asked to.
pub(super) fn write_evaluation(
    options: &EvaluateOptions,
    report: &EvaluateReport,
) -> Result<(), TrainingError> {
    let folder = &options.report;
    std::fs::create_dir_all(folder).map_err(|e| TrainingError::io(folder, &e))?;
    write_json(&folder.join("metrics.json"), report)?;
    let markdown = report.markdown();
    write(&folder.join("metrics.md"), &markdown)?;
    match &options.model_card {
        Some(card) => replace_section(card, "figures", &markdown),
        None => Ok(()),
    }
}

pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), TrainingError> {
    let text = serde_json::to_string_pretty(value).expect("reports have text keys only");
    write(path, &(text + "\n"))
}

fn write(path: &Path, text: &str) -> Result<(), TrainingError> {
    std::fs::write(path, text).map_err(|e| TrainingError::io(path, &e))
}

/// Replaces what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->` in a file.
///
/// # Errors
/// [`TrainingError::Io`] if the file cannot be read or written, or has no such markers.
pub fn replace_section(path: &Path, name: &str, section: &str) -> Result<(), TrainingError> {
    let text = std::fs::read_to_string(path).map_err(|e| TrainingError::io(path, &e))?;
    let (begin, end) = (
        format!("<!-- {name}:begin -->"),
        format!("<!-- {name}:end -->"),
    );
    let parts = text
        .split_once(&begin)
        .and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
    let Some((head, tail)) = parts else {
        return Err(TrainingError::Io {
            file: path.to_path_buf(),
            problem: format!("it has no section {begin} ... {end}"),
        });
    };
    write(
        path,
        &format!("{head}{begin}\n{}\n{end}{tail}", section.trim_end()),
    )
}
