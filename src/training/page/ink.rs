//! The colours of pictures and page, for light and dark.
//!
//! A picture names each colour by its light form, which is its own; the style sheet replaces it by a variable, so that one
//! picture serves both.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// What a line, area or text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Muted,
    Axis,
    Grid,
    Human,
    Synthetic,
    /// Of scores as recorded, then of each channel.
    Condition(usize),
    /// Of a cell, from the smallest error to the largest.
    Heat(usize),
    /// Of a number in such a cell, see [`Ink::on_heat`].
    OnHeat(usize),
}

/// Conditions with colours of their own.
pub(super) const CONDITIONS: usize = 3;
/// Colours of cells.
pub(super) const HEATS: usize = 6;

/// Every ink with its variable and its light and dark form.
const ALL: [(Ink, &str, u32, u32); 17] = [
    (Ink::Text, "text", 0x001B_2430, 0x00E6_EAF0),
    (Ink::Muted, "muted", 0x0055_6070, 0x009D_A9B8),
    (Ink::Axis, "axis", 0x0098_A3B0, 0x005C_6878),
    (Ink::Grid, "grid", 0x00E1_E6EB, 0x002A_323D),
    (Ink::Human, "human", 0x001F_6FB5, 0x005A_A9E6),
    (Ink::Synthetic, "synthetic", 0x00CF_570B, 0x00F2_8C4B),
    (Ink::Condition(0), "condition-0", 0x000B_7A6F, 0x0035_C2B0),
    (Ink::Condition(1), "condition-1", 0x008A_3FC0, 0x00C5_8AF0),
    (Ink::Condition(2), "condition-2", 0x00A8_7600, 0x00E0_B040),
    (Ink::Heat(0), "heat-0", 0x00EA_F1F5, 0x001F_2E38),
    (Ink::Heat(1), "heat-1", 0x00FB_E6CE, 0x0044_3829),
    (Ink::Heat(2), "heat-2", 0x00F8_C595, 0x0070_4625),
    (Ink::Heat(3), "heat-3", 0x00F0_9A63, 0x009A_5427),
    (Ink::Heat(4), "heat-4", 0x00D2_5537, 0x00DE_7A45),
    (Ink::Heat(5), "heat-5", 0x009E_2130, 0x00FF_B48F),
    (Ink::OnHeat(0), "on-heat-0", 0x0021_252B, 0x00F1_F4F8),
    (Ink::OnHeat(1), "on-heat-1", 0x00FE_FDFC, 0x001C_1410),
];

impl Ink {
    /// The ink of the n-th condition.
    pub(super) fn condition(place: usize) -> Self {
        Self::Condition(place.min(CONDITIONS - 1))
    }

    /// The cell's ink for an error rate: bins end at 5, 10, 20, 30 and 40 %.
    pub(super) fn heat(rate: f64) -> Self {
        Self::Heat(HEAT_ENDS.iter().take_while(|&&end| rate >= end).count())
    }

    /// The ink of a number in a cell of that ink.
    pub(super) fn on_heat(cell: Self) -> Self {
        Self::OnHeat(usize::from(matches!(cell, Self::Heat(4..))))
    }

    /// The light form, by which pictures name the ink.
    pub(super) fn color(self) -> RGBColor {
        let found = ALL.iter().find(|(ink, ..)| *ink == self);
        let [_, r, g, b] = found.map_or(0, |&(_, _, light, _)| light).to_be_bytes();
        RGBColor(r, g, b)
    }
}

/// Where the bins of cells end; the last has no end.
pub(super) const HEAT_ENDS: [f64; HEATS - 1] = [0.05, 0.1, 0.2, 0.3, 0.4];

/// The rules that set the variables for light and dark and give them to pictures.
pub(super) fn rules() -> String {
    let variables = |dark: bool| {
        ALL.iter()
            .fold(String::new(), |mut text, &(_, name, light, dark_form)| {
                let color = if dark { dark_form } else { light };
                write!(text, "--{name}:#{color:06X};").expect("writing to a string cannot fail");
                text
            })
    };
    let mut text = format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        variables(false),
        variables(true)
    );
    for (_, name, light, _) in ALL {
        writeln!(
            text,
            ".plot [fill=\"#{light:06X}\"]{{fill:var(--{name})}} .plot [stroke=\"#{light:06X}\"]{{stroke:var(--{name})}}"
        )
        .expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn inks_can_be_told_apart_in_both_forms() {
        let forms = |form: fn(&(Ink, &str, u32, u32)) -> u32| -> usize {
            ALL.iter().map(form).collect::<BTreeSet<_>>().len()
        };
        assert_eq!(
            (forms(|ink| ink.2), forms(|ink| ink.3)),
            (ALL.len(), ALL.len())
        );
        let all = (0..CONDITIONS)
            .map(Ink::Condition)
            .chain((0..HEATS).map(Ink::Heat));
        for ink in all {
            assert!(ALL.iter().any(|(known, ..)| *known == ink), "{ink:?}");
        }
    }

    #[test]
    fn cells_are_coloured_by_their_bin() {
        for (rate, place) in [
            (0.0, 0),
            (0.049, 0),
            (0.05, 1),
            (0.2, 3),
            (0.39, 4),
            (0.4, 5),
            (1.0, 5),
        ] {
            assert_eq!(Ink::heat(rate), Ink::Heat(place), "{rate}");
        }
    }

    /// Contrast by WCAG 2: numbers in cells and text on the page can be read in both forms.
    #[test]
    fn numbers_stand_out_from_their_cells() {
        let luminance = |color: u32| {
            let [_, r, g, b] = color.to_be_bytes().map(|byte| {
                let c = f64::from(byte) / 255.0;
                if c <= 0.04045 {
                    c / 12.92
                } else {
                    ((c + 0.055) / 1.055).powf(2.4)
                }
            });
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let contrast = |a: u32, b: u32| {
            let (a, b) = (luminance(a), luminance(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        let of = |wanted: Ink| *ALL.iter().find(|(ink, ..)| *ink == wanted).unwrap();
        for place in 0..HEATS {
            let cell = Ink::Heat(place);
            let (cell, number) = (of(cell), of(Ink::on_heat(cell)));
            assert!(contrast(cell.2, number.2) > 4.0, "light {place}");
            assert!(contrast(cell.3, number.3) > 4.0, "dark {place}");
        }
        for ink in [Ink::Text, Ink::Muted] {
            let ink = of(ink);
            assert!(contrast(ink.2, 0x00FF_FFFF) > 4.5 && contrast(ink.3, 0x0019_1F28) > 4.5);
        }
    }
}
