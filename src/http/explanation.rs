//! A verdict in one or two sentences, for `POST /api/voice-detection`. Every word is computed from the verdict.

use std::fmt::Write;

use crate::detector::{CONCLUSIVE, Classification, Detection};
use crate::evidence::sentence;
use crate::warnings::WarningCode;

/// What was found, how probable it is, in how much sound, which aspects of the speech spoke for and against, and what makes it less certain.
pub fn explanation(detection: &Detection) -> String {
    let named = detection.confidence;
    let speech = match detection.classification {
        Classification::AiGenerated => "AI-generated",
        Classification::Human => "human",
    };
    let mut text = format!(
        "In {:.1} s of sound the probability of {speech} speech is {named:.2}",
        detection.duration_seconds
    );
    if detection.inconclusive {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            ", which is too little for a firm verdict (that takes {CONCLUSIVE})"
        );
    }
    text.push('.');
    if let Some(evidence) = &detection.evidence {
        text.push(' ');
        text.push_str(&sentence(evidence));
    }
    let warnings = detection.warnings.iter().map(|warning| warning.code);
    for (index, code) in warnings.enumerate() {
        text.push_str(if index == 0 {
            " Less certain because "
        } else {
            ", and because "
        });
        text.push_str(because(code));
    }
    if !detection.warnings.is_empty() {
        text.push('.');
    }
    text
}

fn because(code: WarningCode) -> &'static str {
    match code {
        WarningCode::Short => "there is little speech",
        WarningCode::BandLimited => "nothing is heard above 6.5 kHz",
        WarningCode::Clipped => "the peaks are cut off or levelled",
        WarningCode::Noisy => "there is noise close beneath the speech",
        WarningCode::PassedOver => "parts without speech were passed over",
        WarningCode::OutOfDistribution => {
            "it does not sound like the speech that the model has learned from"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Contribution, Evidence};
    use crate::warnings::Warning;

    fn detection(ai_probability: f64, codes: &[WarningCode]) -> Detection {
        Detection {
            classification: if ai_probability > 0.5 {
                Classification::AiGenerated
            } else {
                Classification::Human
            },
            confidence: ai_probability.max(1.0 - ai_probability),
            ai_probability,
            duration_seconds: 4.25,
            inconclusive: ai_probability.max(1.0 - ai_probability) < CONCLUSIVE,
            out_of_distribution: None,
            segments: Vec::new(),
            warnings: codes
                .iter()
                .map(|&code| Warning {
                    code,
                    message: code.message(),
                })
                .collect(),
            evidence: None,
        }
    }

    #[test]
    fn a_firm_verdict_is_one_sentence() {
        assert_eq!(
            explanation(&detection(0.93, &[])),
            "In 4.2 s of sound the probability of AI-generated speech is 0.93."
        );
    }

    #[test]
    fn evidence_is_told_where_the_model_gives_it() {
        let mut detection = detection(0.93, &[]);
        detection.evidence = Some(Evidence {
            baseline: 0.5,
            contributions: vec![Contribution {
                group: "pitch",
                meaning: "pitch: how it moves",
                contribution: 2.0,
            }],
        });
        assert!(
            explanation(&detection)
                .ends_with("speech is 0.93. Speaks for synthetic speech: pitch.")
        );
    }

    #[test]
    fn doubts_are_told() {
        let text = explanation(&detection(0.45, &[WarningCode::Short, WarningCode::Noisy]));
        assert_eq!(
            text,
            "In 4.2 s of sound the probability of human speech is 0.55, which is too little for a firm verdict (that takes 0.65). \
             Less certain because there is little speech, and because there is noise close beneath the speech."
        );
    }
}
