//! Tables of the page: breakdowns, families, clips that are most confidently wrong.

use std::fmt::Write as _;

use super::{bars, escape, percent};
use crate::training::figures::{Breakdown, Family, Figures, Suspect};
use crate::training::manifest::Label;
use crate::training::metrics::Interval;

/// A table in a box that can be scrolled sideways: header cells, rows of cells, both HTML; the first of a row names it.
pub(super) fn table(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::from("<div class=\"scroll\"><table><thead><tr>");
    for cell in head {
        write!(text, "<th scope=\"col\">{cell}</th>").expect("writing to a string cannot fail");
    }
    text.push_str("</tr></thead><tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            match (place, cell.strip_prefix("<td")) {
                (0, _) => write!(text, "<th scope=\"row\">{cell}</th>"),
                (_, Some(rest)) => write!(text, "<td{rest}"),
                (_, None) => write!(text, "<td>{cell}</td>"),
            }
            .expect("writing to a string cannot fail");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>");
    text
}

fn words(text: &str) -> String {
    format!("<td class=\"words\">{}</td>", escape(text))
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or("–".into(), percent)
}

pub(super) fn interval(eer: Option<Interval>) -> String {
    eer.map_or("–".into(), |eer| {
        format!(
            "{} <span class=\"muted\">({:.1} to {:.1})</span>",
            percent(eer.value),
            eer.low * 100.0,
            eer.high * 100.0
        )
    })
}

/// What a figure's column is called: the condition beside it where there are several.
fn heads(figures: &[&str], conditions: &[(String, &Figures)]) -> Vec<String> {
    let head = |condition: &str, figure: &&str| {
        if conditions.len() == 1 {
            (*figure).to_owned()
        } else {
            format!("{figure}<br>{}", escape(condition))
        }
    };
    let of = |(condition, _): &(String, _)| {
        figures
            .iter()
            .map(move |figure| head(condition, figure))
            .collect()
    };
    let columns: Vec<Vec<String>> = conditions.iter().map(of).collect();
    columns.concat()
}

/// The rows of one breakdown that have a figure, in each condition; clips are those of the first.
pub(super) fn breakdown(
    breakdowns: &[Option<&Breakdown>],
    conditions: &[(String, &Figures)],
) -> String {
    let by = breakdowns.iter().flatten().next().map_or("", |b| b.by);
    let mut head: Vec<String> = [by, "human", "synthetic"].map(String::from).into();
    head.extend(heads(&["EER (95 %)", "false alarms", "misses"], conditions));
    let mut values = bars::merged(breakdowns);
    let all = values.len();
    values.retain(|(_, rows)| {
        let mut rows = rows.iter().flatten();
        rows.any(|row| row.false_alarms.is_some() || row.misses.is_some())
    });
    let few = match all - values.len() {
        0 => String::new(),
        few => format!(
            "<p class=\"small muted\">{few} more with fewer than 8 clips of each class, which metrics.json lists.</p>"
        ),
    };
    let rows = values.into_iter().map(|(name, rows)| {
        let first = rows.iter().flatten().next();
        let mut cells = vec![
            escape(name),
            first.map_or(String::new(), |row| row.human.to_string()),
            first.map_or(String::new(), |row| row.synthetic.to_string()),
        ];
        for row in rows {
            cells.push(interval(row.and_then(|row| row.eer)));
            cells.push(rate(row.and_then(|row| row.false_alarms)));
            cells.push(rate(row.and_then(|row| row.misses)));
        }
        cells
    });
    table(&head, rows) + &few
}

/// Every engine family.
pub(super) fn families(conditions: &[(String, &Figures)]) -> String {
    let mut head: Vec<String> = ["family", "kind", "clips"].map(String::from).into();
    head.extend(heads(&["EER", "misses"], conditions));
    let first = conditions
        .first()
        .map_or(&[][..], |(_, figures)| &figures.families);
    let rows = first.iter().map(|family| {
        let mut cells = vec![
            escape(&family.name),
            words(&family.kind),
            family.clips.to_string(),
        ];
        for (_, figures) in conditions {
            let found: Option<&Family> = figures.families.iter().find(|f| f.name == family.name);
            cells.push(rate(found.and_then(|family| family.eer)));
            cells.push(rate(found.map(|family| family.misses)));
        }
        cells
    });
    table(&head, rows)
}

/// The clips that are most confidently wrong.
pub(super) fn suspects(suspects: &[Suspect]) -> String {
    let head = [
        "file",
        "label",
        "P(AI)",
        "engine",
        "corpus or repository",
        "models",
    ];
    let rows = suspects.iter().map(|suspect| {
        let label = match suspect.label {
            Label::Human => "human",
            Label::Ai => "synthetic",
        };
        let engine = match suspect.label {
            Label::Human => "–",
            Label::Ai => &suspect.engine,
        };
        vec![
            format!("<code>{}</code>", escape(&suspect.file)),
            words(label),
            format!("{:.3}", suspect.score),
            words(engine),
            words(&suspect.source),
            suspect.models.to_string(),
        ]
    });
    table(&head.map(String::from), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::figures::Row;

    #[test]
    fn values_without_a_figure_are_counted_not_listed() {
        let row = |name: &str, human: usize, false_alarms: Option<f64>| Row {
            name: name.into(),
            human,
            synthetic: 0,
            eer: None,
            false_alarms,
            misses: None,
        };
        let breakdowns = Breakdown {
            by: "language",
            rows: vec![
                row("hi", 75, Some(0.04)),
                row("or", 4, None),
                row("<x>", 1, None),
            ],
        };
        let figures = Figures::default();
        let html = breakdown(&[Some(&breakdowns)], &[("recorded".into(), &figures)]);
        assert!(
            html.contains("<th scope=\"row\">hi</th><td>75</td><td>0</td><td>–</td><td>4.0\u{202f}%</td><td>–</td>"),
            "{html}"
        );
        assert!(
            html.contains("2 more with fewer than 8 clips") && !html.contains("<x>"),
            "{html}"
        );
    }
}
