//! Reports: what is written as JSON and Markdown, and into the model card.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::TrainingError;
use super::attacks::AttackReport;
use super::conditions::Through;
use super::evaluate::EvaluateReport;
use super::metrics::Interval;
use super::page;
use super::protocol::Protocol;
use super::summary::{Part, Pooled, ProtocolReport};
use super::{control, learning_curve};

/// Adds a line.
pub(super) fn line(text: &mut String, arguments: std::fmt::Arguments) {
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
pub(super) fn title(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Random => "random split (5 folds, stratified)",
        Protocol::LeaveFamilySourceOut => "unseen engine family and unseen human source",
        Protocol::LeaveCorpusOut => "unseen speech corpus, both classes",
        Protocol::GroupedCorpora => "a sixth of the speech corpora unseen, both classes",
        Protocol::Grouped => "a sixth of the engine families and human sources unseen",
    }
}

impl EvaluateReport {
    /// What models could not learn from beside what their protocol left out, in sentences.
    pub(super) fn kept_out(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.disjoint_speakers {
            let speakers =
                "Every clip of a tested speaker, of either class, was left out of training.";
            sentences.push(speakers.to_owned());
        }
        if !self.train_licences.is_empty() {
            let classes = self.train_licences.join(", ");
            sentences.push(format!(
                "Models learned from clips of these licence classes alone: {classes}."
            ));
        }
        sentences
    }

    /// The figures as Markdown tables: what stands in `metrics.md` and in the model card.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{}, features `{}`: {}.\n",
            self.estimator, self.features, self.settings
        );
        for sentence in self.kept_out() {
            line(&mut text, format_args!("{sentence}"));
        }
        if let Some(copies) = &self.corpus.copies {
            if copies.training > 0 {
                line(&mut text, format_args!("Trained with {copies}."));
            }
            for channel in &copies.through {
                line(
                    &mut text,
                    format_args!(
                        "Columns *through* {channel}: each tested clip was sent through that random channel, both classes alike."
                    ),
                );
            }
        }
        text.push_str("95 % bootstrap intervals in brackets: over speakers and engine families in the random split, else over what is left out.\n\n");
        protocols_table(&mut text, &self.protocols);
        pooled_table(&mut text, &self.protocols);
        kinds_table(&mut text, &self.protocols);
        control_line(&mut text, &self.protocols);
        learning_table(&mut text, &self.learning_curve);
        attacks_table(&mut text, &self.attacks, "grouped folds, ");
        for report in &self.protocols {
            groups_list(&mut text, title(report.protocol), &report.groups);
            for through in &report.through {
                let title = title_through(report.protocol, through);
                groups_list(&mut text, &title, &through.groups);
            }
        }
        text
    }
}

/// EER and AUC as recorded and through each channel.
fn protocols_table(text: &mut String, protocols: &[ProtocolReport]) {
    let channels: Vec<&str> = protocols.first().map_or(Vec::new(), |report| {
        report
            .through
            .iter()
            .map(|through| through.channel)
            .collect()
    });
    let recorded = if channels.is_empty() {
        ""
    } else {
        " as recorded"
    };
    let mut head = format!("| protocol | EER{recorded} | AUC{recorded} |");
    for channel in &channels {
        write!(head, " EER through `{channel}` | AUC through `{channel}` |")
            .expect("writing to a string cannot fail");
    }
    line(text, format_args!("{head} models fitted |"));
    let columns = 2 + 2 * channels.len();
    line(
        text,
        format_args!("| --- |{} --- |", " --- |".repeat(columns)),
    );
    for report in protocols {
        let cells = |eer: &Interval, auc: &Interval| {
            let Interval { value, low, high } = auc;
            format!("{} | {value:.3} ({low:.3} to {high:.3})", percent(eer))
        };
        let mut row = vec![cells(&report.eer, &report.auc)];
        row.extend(report.through.iter().map(|t| cells(&t.eer, &t.auc)));
        let (name, fits) = (title(report.protocol), report.fits);
        line(
            text,
            format_args!("| {name} | {} | {fits} |", row.join(" | ")),
        );
    }
}

/// What the row or column of a protocol is called whose clips passed a channel.
fn title_through(protocol: Protocol, through: &Through) -> String {
    format!("{}, through `{}`", title(protocol), through.channel)
}

fn groups_list(text: &mut String, title: &str, groups: &[Part]) {
    if groups.is_empty() {
        return;
    }
    line(text, format_args!("\nEER, {title}, one by one:\n"));
    let mut groups: Vec<&Part> = groups.iter().collect();
    groups.sort_by(|a, b| b.eer.total_cmp(&a.eer));
    let cells: Vec<_> = groups
        .iter()
        .map(|g| format!("{} {:.0} %", g.name, g.eer * 100.0))
        .collect();
    line(text, format_args!("{}.", cells.join(", ")));
}

/// What the control found, and what that means.
fn control_line(text: &mut String, protocols: &[ProtocolReport]) {
    let found = protocols.iter().filter_map(|report| {
        let eer = percent(&report.control?.eer);
        Some(format!("{} {eer}", title(report.protocol)))
    });
    let found: Vec<_> = found.collect();
    if !found.is_empty() {
        let (found, meaning) = (found.join(", "), control::MEANING);
        line(text, format_args!("\nControl, EER: {found}. {meaning}"));
    }
}

/// EER by the number of engine families that models learned from.
fn learning_table(text: &mut String, points: &[learning_curve::Point]) {
    if points.is_empty() {
        return;
    }
    text.push_str("\n| engine families in training (grouped folds) | synthetic clips | EER |\n| --- | --- | --- |\n");
    for point in points {
        let (families, clips, eer) = (point.families, point.clips, percent(&point.eer));
        line(text, format_args!("| {families:.0} | {clips:.0} | {eer} |"));
    }
}

/// The table of attacks on a sample of what `protocol` tests, if there were any.
pub(super) fn attacks_table(text: &mut String, attacks: &[AttackReport], protocol: &str) {
    let Some(first) = attacks.first() else {
        return;
    };
    let [human, ai] = first.clips;
    line(
        text,
        format_args!(
            "\nUnder attacks ({protocol}{human} human and {ai} synthetic test clips, both classes changed alike; errors at the threshold 0.5):\n"
        ),
    );
    text.push_str("| attack | strength | EER | synthetic missed | human called synthetic |\n| --- | --- | --- | --- | --- |\n");
    for row in attacks {
        let (attack, strength, eer) = (&row.attack, &row.strength, percent(&row.eer));
        let (missed, alarms) = (row.missed * 100.0, row.false_alarms * 100.0);
        line(
            text,
            format_args!("| {attack} | {strength} | {eer} | {missed:.1} % | {alarms:.1} % |"),
        );
    }
    let unjudged: usize = attacks.iter().map(|row| row.unjudged).sum();
    if unjudged > 0 {
        line(
            text,
            format_args!(
                "\nToo little was left to judge in {unjudged} cases, which count in no rate."
            ),
        );
    }
}

fn pooled_table(text: &mut String, protocols: &[ProtocolReport]) {
    text.push_str("\nProbabilities of all folds together, at one threshold:\n\n");
    text.push_str("| protocol | EER | calibration error | found at 1 % false alarms | at 5 % |\n");
    text.push_str("| --- | --- | --- | --- | --- |\n");
    let mut row = |title: &str, pooled: &Pooled| {
        line(
            text,
            format_args!(
                "| {title} | {:.1} % | {:.3} | {:.1} % | {:.1} % |",
                pooled.eer * 100.0,
                pooled.calibration_error,
                pooled.detection_at_1_percent * 100.0,
                pooled.detection_at_5_percent * 100.0
            ),
        );
    };
    for report in protocols {
        row(title(report.protocol), &report.pooled);
        for through in &report.through {
            row(&title_through(report.protocol, through), &through.pooled);
        }
    }
}

fn kinds_table(text: &mut String, protocols: &[ProtocolReport]) {
    let mut columns: Vec<(String, &[Part])> = Vec::new();
    for report in protocols {
        columns.push((title(report.protocol).into(), &report.kinds));
        let through = report.through.iter();
        columns.extend(through.map(|t| (title_through(report.protocol, t), t.kinds.as_slice())));
    }
    columns.retain(|(_, kinds)| !kinds.is_empty());
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (column, (_, kinds)) in columns.iter().enumerate() {
        for part in *kinds {
            let cells = rows
                .entry(&part.name)
                .or_insert_with(|| vec!["-".into(); columns.len()]);
            cells[column] = format!("{:.1} %", part.eer * 100.0);
        }
    }
    if rows.is_empty() {
        return;
    }
    let titles: Vec<_> = columns.iter().map(|(title, _)| title.as_str()).collect();
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

/// Writes `metrics.json`, `metrics.md` and `report.html`, and the model card's section if asked to.
pub(super) fn write_evaluation(
    folder: &Path,
    model_card: Option<&Path>,
    report: &EvaluateReport,
) -> Result<(), TrainingError> {
    std::fs::create_dir_all(folder).map_err(|e| TrainingError::io(folder, &e))?;
    write_json(&folder.join("metrics.json"), report)?;
    let markdown = report.markdown();
    write(&folder.join("metrics.md"), &markdown)?;
    write(&folder.join("report.html"), &page::evaluation(report))?;
    match model_card {
        Some(card) => replace_section(card, "figures", &markdown),
        None => Ok(()),
    }
}

pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), TrainingError> {
    let text = serde_json::to_string_pretty(value).expect("reports have text keys only");
    write(path, &(text + "\n"))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), TrainingError> {
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
