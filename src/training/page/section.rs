//! One section of the page: the pictures and tables of one protocol, or of an existing model.

use std::fmt::Write as _;

use super::{bars, escape, heat_map, ink, plots, tables};
use crate::training::figures::{Breakdown, Figures};

/// What a section is made of.
pub(super) struct Section<'a> {
    /// Its anchor.
    pub id: String,
    pub title: String,
    /// Paragraphs under the title, HTML.
    pub lead: String,
    /// Names of the conditions with their figures, the recorded one first.
    pub conditions: Vec<(String, &'a Figures)>,
    /// Calibration error of each condition.
    pub calibration_errors: Vec<f64>,
    /// P(AI) above which a clip is called synthetic.
    pub threshold: f64,
}

/// What breakdowns are called.
const TITLES: [(&str, &str, &str); 9] = [
    (
        "kind",
        "Kind of engine",
        "Each kind against all human clips.",
    ),
    ("language", "Language", "Both classes in that language."),
    (
        "licence",
        "Licence class",
        "Both classes under such a licence.",
    ),
    ("sex", "Sex of the speaker", "Where the manifest says it."),
    (
        "bitrate",
        "MP3 bitrate",
        "Of the file as recorded; of what the copy was stored with, through a channel.",
    ),
    (
        "bandwidth",
        "Bandwidth of the recording",
        "Frequency up to which 99.9 % of the power lies, measured before any channel.",
    ),
    ("duration", "Duration", "Of the recording."),
    (
        "channel",
        "Steps of the channel",
        "Copies that passed a step against those that did not.",
    ),
    ("corpus", "Corpus or repository", "Both classes from there."),
];

fn figure(text: &mut String, picture: &str, title: &str, caption: &str) {
    writeln!(
        text,
        "<figure><div class=\"title\">{title}</div>{picture}<figcaption>{caption}</figcaption></figure>"
    )
    .expect("writing to a string cannot fail");
}

/// Names and colours of lines or bars.
fn legend(entries: &[(String, String)]) -> String {
    let mut text = String::from("<ul class=\"legend\">");
    for (name, variable) in entries {
        write!(
            text,
            "<li><span class=\"swatch\" style=\"--ink:var(--{variable})\"></span>{}</li>",
            escape(name)
        )
        .expect("writing to a string cannot fail");
    }
    text.push_str("</ul>\n");
    text
}

impl Section<'_> {
    pub(super) fn html(&self) -> String {
        let mut text = format!(
            "<section id=\"{}\">\n<h2>{}</h2>\n{}\n",
            self.id,
            escape(&self.title),
            self.lead
        );
        text.push_str(&self.condition_legend());
        text.push_str("<div class=\"figures\">\n");
        self.curves(&mut text);
        text.push_str("</div>\n");
        self.breakdowns(&mut text);
        self.families(&mut text);
        self.suspects(&mut text);
        text.push_str("</section>\n");
        text
    }

    fn condition_legend(&self) -> String {
        let names = self.conditions.iter().enumerate();
        let entries: Vec<_> = names
            .map(|(place, (name, _))| {
                let place = place.min(ink::CONDITIONS - 1);
                (name.clone(), format!("condition-{place}"))
            })
            .collect();
        legend(&entries)
    }

    fn curves(&self, text: &mut String) {
        let conditions = self.conditions.as_slice();
        if conditions.iter().all(|(_, figures)| figures.det.is_empty()) {
            return;
        }
        figure(
            text,
            &plots::det(conditions),
            "Detection error trade-off",
            "Every threshold, all folds together; nearer to the lower left is better. The dot is the EER.",
        );
        let errors = self.conditions.iter().zip(&self.calibration_errors);
        let errors: Vec<_> = errors
            .map(|((name, _), error)| format!("{} {error:.3}", escape(name)))
            .collect();
        figure(
            text,
            &plots::reliability(conditions),
            "Reliability",
            &format!(
                "On the diagonal a probability means what it says. Expected calibration error: {}; both classes weigh alike.",
                errors.join(", ")
            ),
        );
        let classes = ["human", "synthetic"].map(|class| (class.to_owned(), class.to_owned()));
        let caption = format!("Upright line: the threshold {}.", self.threshold);
        figure(
            text,
            &plots::spread(conditions, self.threshold),
            "Scores of both classes",
            &format!("{}{caption}", legend(&classes)),
        );
    }

    /// The breakdown of that kind in each condition.
    fn of(&self, by: &str) -> Vec<Option<&Breakdown>> {
        let of = |(_, figures): &(String, &Figures)| -> Option<usize> {
            figures
                .breakdowns
                .iter()
                .position(|breakdown| breakdown.by == by)
        };
        let conditions = self.conditions.iter();
        conditions
            .map(|condition| of(condition).map(|place| &condition.1.breakdowns[place]))
            .collect()
    }

    fn breakdowns(&self, text: &mut String) {
        writeln!(
            text,
            "<h3>EER by what is known of the clips</h3>\n<p class=\"small muted\">All folds together; whiskers are 95 % intervals \
             from resampling speakers and engine families. Values with fewer than 8 clips of either class have no bar.</p>\n\
             <div class=\"columns\">"
        )
        .expect("writing to a string cannot fail");
        for (by, title, caption) in TITLES {
            if let Some(picture) = bars::bars(by, &self.of(by)) {
                figure(text, &picture, title, caption);
            }
        }
        text.push_str("</div>\n");
        text.push_str("<details class=\"panel\"><summary>The same as tables, with clips, false alarms and misses</summary><div class=\"inside\">\n");
        writeln!(
            text,
            "<p class=\"small muted\">False alarms (human called synthetic) and misses (synthetic called human) at the threshold {}.</p>",
            self.threshold
        )
        .expect("writing to a string cannot fail");
        for (by, title, _) in TITLES {
            let breakdowns = self.of(by);
            let conditions = self.conditions.as_slice();
            // Through a channel other clips have a bitrate: each condition has a table of its own.
            let each = if by == "bitrate" { 1 } else { conditions.len() };
            for (breakdowns, conditions) in breakdowns.chunks(each).zip(conditions.chunks(each)) {
                if breakdowns.iter().all(Option::is_none) {
                    continue;
                }
                let of = match conditions {
                    [(name, _)] if self.conditions.len() > 1 => format!(", {}", escape(name)),
                    _ => String::new(),
                };
                let table = tables::breakdown(breakdowns, conditions);
                writeln!(text, "<h3>{title}{of}</h3>\n{table}")
                    .expect("writing to a string cannot fail");
            }
        }
        text.push_str("</div></details>\n");
    }

    fn families(&self, text: &mut String) {
        let bins = [
            "under 5 %",
            "5 to 10 %",
            "10 to 20 %",
            "20 to 30 %",
            "30 to 40 %",
            "40 % and more",
        ];
        let bins = bins.iter().enumerate();
        let bins: Vec<_> = bins
            .map(|(place, name)| ((*name).to_owned(), format!("heat-{place}")))
            .collect();
        for (name, figures) in &self.conditions {
            let Some(grid) = &figures.grid else {
                continue;
            };
            // The first is open: it is what the section is about.
            let open = if std::ptr::eq(*figures, self.conditions[0].1) {
                " open"
            } else {
                ""
            };
            writeln!(
                text,
                "<details class=\"panel\"{open}><summary>EER of each engine family against each human source, {}</summary>\
                 <div class=\"inside\">{}<div class=\"scroll\" tabindex=\"0\">{}</div></div></details>",
                escape(name),
                legend(&bins),
                heat_map::heat_map(grid)
            )
            .expect("writing to a string cannot fail");
        }
        if self
            .conditions
            .iter()
            .any(|(_, figures)| !figures.families.is_empty())
        {
            writeln!(
                text,
                "<details class=\"panel\"><summary>Engine families, one by one</summary><div class=\"inside\">{}</div></details>",
                tables::families(&self.conditions)
            )
            .expect("writing to a string cannot fail");
        }
    }

    fn suspects(&self, text: &mut String) {
        let Some((_, figures)) = self.conditions.first() else {
            return;
        };
        if figures.suspects.is_empty() {
            return;
        }
        writeln!(
            text,
            "<details class=\"panel\"><summary>The {} clips that are most confidently wrong</summary><div class=\"inside\">\
             <p class=\"small muted\">As recorded; mean of the models that scored a clip, none of which had learned from it. \
             Where to look for wrong labels first.</p>{}</div></details>",
            figures.suspects.len(),
            tables::suspects(&figures.suspects)
        )
        .expect("writing to a string cannot fail");
    }
}
