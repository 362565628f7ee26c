//! How often the embedded models err, as their cards say.

use serde::Serialize;

/// Figures of one model's card. EER is the error rate at the threshold where as many human clips are called synthetic as
/// synthetic ones human: 0.0..=1.0, a coin has 0.5.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Figures {
    /// What was unseen by the tested model.
    pub protocol: &'static str,
    /// On clips as they were recorded.
    pub eer_recorded: f64,
    /// The same clips through the random channel `study`; where it was measured.
    pub eer_channel: Option<f64>,
    /// Which file says more.
    pub card: &'static str,
}

const DEFAULT: Figures = Figures {
    protocol: "engine families, human sources and voices unseen",
    eer_recorded: 0.146,
    eer_channel: Some(0.217),
    card: "models/MODEL_CARD.md",
};

const CLASSIC: Figures = Figures {
    protocol: "engine families and their sources unseen",
    eer_recorded: 0.337,
    eer_channel: None,
    card: "models/MODEL_CARD_CLASSIC.md",
};

/// The figures of the embedded model of this name.
#[must_use]
pub fn figures(name: &str) -> Option<&'static Figures> {
    match name {
        "default" => Some(&DEFAULT),
        "classic" => Some(&CLASSIC),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_measurements() {
        let measured = |text: &str, protocol: &str| -> serde_json::Value {
            let metrics: serde_json::Value = serde_json::from_str(text).unwrap();
            let protocols = metrics["protocols"].as_array().unwrap();
            let found = protocols.iter().find(|p| p["protocol"] == protocol);
            found.unwrap().clone()
        };
        let near = |value: &serde_json::Value, figure: f64| {
            assert!((value.as_f64().unwrap() - figure).abs() < 6e-4, "{value}");
        };
        let grouped = measured(include_str!("../../models/metrics.json"), "grouped");
        near(&grouped["eer"]["value"], DEFAULT.eer_recorded);
        let through = &grouped["through"][0]["eer"]["value"];
        near(through, DEFAULT.eer_channel.unwrap());
        let classic = include_str!("../../models/metrics-classic.json");
        let unseen = measured(classic, "leave-family-source-out");
        near(&unseen["eer"]["value"], CLASSIC.eer_recorded);
    }
}
