//! The report as a page: one HTML file with its pictures in it, for light and dark, wide and narrow.

mod bars;
mod canvas;
mod heat_map;
mod ink;
mod plots;
mod section;
mod tables;

use std::fmt::Write as _;

use super::attacks::AttackReport;
use super::conditions::RECORDED;
use super::control;
use super::evaluate::EvaluateReport;
use super::metrics::Interval;
use super::protocol::Protocol;
use super::report::title;
use super::score::ScoreReport;
use super::summary::ProtocolReport;
use section::Section;

/// The page of an evaluation.
pub(super) fn evaluation(report: &EvaluateReport) -> String {
    let mut body = format!(
        "<header>\n<h1>How well <code>{}</code> holds on voices and engines that it has not heard</h1>\n<p>Features <code>{}</code>: {}. \
         Data: {}.</p>\n",
        escape(report.estimator),
        escape(&report.features),
        escape(&report.settings.to_string()),
        escape(&report.corpus.line())
    );
    let mut say = |text: String| {
        writeln!(body, "<p class=\"small muted\">{text}</p>")
            .expect("writing to a string cannot fail");
    };
    say("EER is the error rate at the threshold where as many human clips are called synthetic as synthetic ones human; a coin \
         has 50 %. In brackets: 95 % bootstrap intervals, over speakers and engine families in the random split, else over what \
         is left out."
        .into());
    report.kept_out().into_iter().for_each(&mut say);
    if let Some(copies) = &report.corpus.copies {
        if copies.training > 0 {
            say(escape(&format!("Trained with {copies}.")));
        }
        for channel in &copies.through {
            say(format!(
                "Through {}: each tested clip was sent through that random channel, both classes alike.",
                escape(channel)
            ));
        }
    }
    contents(&mut body, report);
    body.push_str("</header>\n<div class=\"cards\">\n");
    report
        .protocols
        .iter()
        .for_each(|protocol| card(&mut body, protocol));
    body.push_str("</div>\n");
    if report
        .protocols
        .iter()
        .any(|protocol| protocol.control.is_some())
    {
        writeln!(
            body,
            "<p class=\"small muted\"><b>Control.</b> {}</p>",
            control::MEANING
        )
        .expect("writing to a string cannot fail");
    }
    learning_curve(&mut body, report);
    attacks(&mut body, &report.attacks, "Grouped folds; the");
    for protocol in &report.protocols {
        body.push_str(&section(protocol).html());
    }
    let name = format!(
        "voxproof evaluate: {}, {}",
        report.estimator, report.features
    );
    document(&name, &body)
}

/// The page of an existing model.
pub(super) fn judged(report: &ScoreReport) -> String {
    let model = &report.model;
    let mut body = format!(
        "<header>\n<h1>How <code>{}</code> {} does on these clips</h1>\n<p>{}.</p>\n<p class=\"small muted\">Nothing was fitted. EER is \
         the error rate at the threshold where as many human clips are called synthetic as synthetic ones human; a coin has 50 %. In \
         brackets: 95 % bootstrap intervals over speakers and engine families.</p>\n</header>\n",
        escape(&model.name),
        escape(&model.version),
        escape(&report.corpus.line())
    );
    let rate = |rate: Option<f64>| rate.map_or("–".into(), percent);
    let rows = [
        (
            "AUC",
            report.auc.map_or("–".into(), |auc| {
                format!("{:.3} ({:.3} to {:.3})", auc.value, auc.low, auc.high)
            }),
        ),
        (
            "found at 1 % false alarms",
            rate(report.detection_at_1_percent),
        ),
        (
            "found at 5 % false alarms",
            rate(report.detection_at_5_percent),
        ),
        ("found at the threshold", rate(report.found_at_threshold)),
        (
            "false alarms at the threshold",
            rate(report.false_alarms_at_threshold),
        ),
        (
            "calibration error",
            report
                .calibration_error
                .map_or("–".into(), |error| format!("{error:.3}")),
        ),
    ];
    let rows = rows.map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>"));
    writeln!(
        body,
        "<div class=\"cards\"><div class=\"card\"><h3>EER</h3><div class=\"big\">{}</div><dl>{}</dl></div></div>",
        report.eer.map_or("–".into(), |eer| interval(&eer)),
        rows.concat()
    )
    .expect("writing to a string cannot fail");
    let section = Section {
        id: "figures".into(),
        title: "Figures".into(),
        lead: String::new(),
        conditions: vec![(RECORDED.to_owned(), &report.figures)],
        calibration_errors: report.calibration_error.into_iter().collect(),
        threshold: model.threshold,
    };
    body.push_str(&section.html());
    attacks(&mut body, &report.attacks, "The");
    document(&format!("voxproof evaluate: {}", model.name), &body)
}

/// Links to the sections.
fn contents(body: &mut String, report: &EvaluateReport) {
    body.push_str("<nav aria-label=\"Sections\">");
    for protocol in &report.protocols {
        let (id, title) = (
            protocol.protocol.name(),
            escape(&heading(protocol.protocol)),
        );
        write!(body, "<a href=\"#{id}\">{title}</a>").expect("writing to a string cannot fail");
    }
    if !report.learning_curve.is_empty() {
        body.push_str("<a href=\"#learning-curve\">Learning curve</a>");
    }
    if !report.attacks.is_empty() {
        body.push_str("<a href=\"#attacks\">Under attack</a>");
    }
    body.push_str("</nav>\n");
}

/// The title of a protocol with a capital letter.
fn heading(protocol: Protocol) -> String {
    let title = title(protocol);
    let (first, rest) = title.split_at(1);
    first.to_uppercase() + rest
}

/// The headline of a protocol.
fn card(body: &mut String, report: &ProtocolReport) {
    let mut rows: Vec<(String, String)> = Vec::new();
    rows.extend(report.through.iter().map(|through| {
        let name = format!("EER through {}", escape(through.channel));
        (name, interval(&through.eer))
    }));
    if let Some(control) = &report.control {
        rows.push(("EER of the control".into(), interval(&control.eer)));
    }
    let Interval { value, low, high } = report.auc;
    rows.push(("AUC".into(), format!("{value:.3} ({low:.3} to {high:.3})")));
    let pooled = &report.pooled;
    rows.push((
        "found at 1 % / 5 % false alarms".into(),
        format!(
            "{:.0} / {}",
            pooled.detection_at_1_percent * 100.0,
            percent(pooled.detection_at_5_percent)
        ),
    ));
    rows.push((
        "calibration error".into(),
        format!("{:.3}", pooled.calibration_error),
    ));
    rows.push(("models fitted".into(), report.fits.to_string()));
    let rows = rows
        .iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>"));
    writeln!(
        body,
        "<div class=\"card\"><h3><a href=\"#{}\">{}</a></h3><div class=\"big\">{}</div>\
         <div class=\"small muted\">EER, {:.1} to {:.1}</div><dl>{}</dl></div>",
        report.protocol.name(),
        escape(&heading(report.protocol)),
        percent(report.eer.value),
        report.eer.low * 100.0,
        report.eer.high * 100.0,
        rows.collect::<String>()
    )
    .expect("writing to a string cannot fail");
}

fn learning_curve(body: &mut String, report: &EvaluateReport) {
    if report.learning_curve.is_empty() {
        return;
    }
    let head = ["families", "clips", "EER (95 %)"].map(String::from);
    let rows = report.learning_curve.iter().map(|point| {
        vec![
            format!("{:.0}", point.families),
            format!("{:.0}", point.clips),
            tables::interval(Some(point.eer)),
        ]
    });
    writeln!(
        body,
        "<section id=\"learning-curve\">\n<h2>What more engine families would bring</h2>\n<p class=\"small muted\">Grouped folds; an \
         eighth, a quarter, half and all of the families that each trains on, the same human clips and the same tests; clips are the synthetic ones among them.</p>\n\
         <div class=\"figures\"><figure>{}</figure><figure>{}</figure></div>\n</section>",
        plots::learning_curve(&report.learning_curve),
        tables::table(&head, rows)
    )
    .expect("writing to a string cannot fail");
}

/// The table of attacks, if there were any; the sentence on them begins with `the`.
fn attacks(body: &mut String, attacks: &[AttackReport], the: &str) {
    if attacks.is_empty() {
        return;
    }
    let head = [
        "attack",
        "strength",
        "EER (95 %)",
        "synthetic missed",
        "human called synthetic",
    ]
    .map(String::from);
    let rows = attacks.iter().map(|row| {
        vec![
            escape(&row.attack),
            escape(&row.strength),
            tables::interval(Some(row.eer)),
            percent(row.missed),
            percent(row.false_alarms),
        ]
    });
    writeln!(
        body,
        "<section id=\"attacks\">\n<h2>Under attack</h2>\n<p class=\"small muted\">{the} same sample of test clips \
         in every row, both classes changed alike; errors at the threshold 0.5.</p>\n<div class=\"figures\"><figure>{}</figure></div>\n</section>",
        tables::table(&head, rows)
    )
    .expect("writing to a string cannot fail");
}

/// The pictures and tables of a protocol.
fn section(report: &ProtocolReport) -> Section<'_> {
    let through = || report.through.iter();
    let lead = format!(
        "<p class=\"small muted\">EER of all folds together, at one threshold: {}{}. Above, it is the mean over what was left out, \
         each at a threshold of its own.</p>",
        percent(report.pooled.eer),
        through()
            .map(|t| format!("; through {} {}", escape(t.channel), percent(t.pooled.eer)))
            .collect::<String>()
    );
    let mut conditions = vec![(RECORDED.to_owned(), &report.figures)];
    conditions.extend(through().map(|t| (format!("through {}", t.channel), &t.figures)));
    let mut calibration_errors = vec![report.pooled.calibration_error];
    calibration_errors.extend(through().map(|through| through.pooled.calibration_error));
    Section {
        id: report.protocol.name().into(),
        title: heading(report.protocol),
        lead,
        conditions,
        calibration_errors,
        threshold: super::THRESHOLD,
    }
}

/// The whole file.
fn document(name: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(name),
        ink::rules(),
        include_str!("style.css")
    )
}

/// A rate in per cent, with a narrow space that does not break.
fn percent(rate: f64) -> String {
    format!("{:.1}\u{202f}%", rate * 100.0)
}

/// A rate with its interval.
fn interval(rate: &Interval) -> String {
    format!(
        "{} ({:.1} to {:.1})",
        percent(rate.value),
        rate.low * 100.0,
        rate.high * 100.0
    )
}

/// Text as HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The first characters of a name that is longer than there is room for.
fn shortened(name: &str, room: usize) -> String {
    if name.chars().count() <= room {
        return name.into();
    }
    let kept: String = name.chars().take(room - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_cut_by_characters() {
        assert_eq!(
            escape("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
        assert_eq!(shortened("தமிழ்", 5), "தமிழ்");
        assert_eq!(shortened("eleven labs", 7), "eleven…");
    }

    #[test]
    fn every_ink_of_a_picture_has_a_rule() {
        let picture = canvas::picture(10.0, 10.0, "all", |canvas| {
            canvas.dot((1.0, 1.0), 1.0, ink::Ink::Synthetic);
            canvas.line(&[(0.0, 0.0), (9.0, 9.0)], ink::Ink::condition(7), 1.0);
        });
        let rules = ink::rules();
        for (attribute, variable) in [("fill", "synthetic"), ("stroke", "condition-2")] {
            let named = |color: &&str| {
                rules.contains(&format!(
                    ".plot [{attribute}=\"{color}\"]{{{attribute}:var(--{variable})}}"
                ))
            };
            let marker = format!("{attribute}=\"#");
            let colors = picture
                .match_indices(&marker)
                .map(|(at, _)| &picture[at + attribute.len() + 2..][..7]);
            assert_eq!(colors.filter(named).count(), 1, "{picture}");
        }
    }
}
