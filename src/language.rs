//! The five languages that a caller may name.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A language that a caller may name; the verdict depends on it only where the operator sets a threshold for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Hindi.
    Hi,
    /// Tamil.
    Ta,
    /// Telugu.
    Te,
    /// Malayalam.
    Ml,
}

impl Language {
    /// All of them, with their ISO 639-1 code and English name.
    pub const ALL: [(Language, &'static str, &'static str); 5] = [
        (Language::En, "en", "English"),
        (Language::Hi, "hi", "Hindi"),
        (Language::Ta, "ta", "Tamil"),
        (Language::Te, "te", "Telugu"),
        (Language::Ml, "ml", "Malayalam"),
    ];

    /// ISO 639-1 code, for example `ta`.
    pub fn code(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// English name, for example `Tamil`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// P(AI) above which the verdict on a clip of a language is `AI_GENERATED`, for the languages that have one of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LanguageThresholds([Option<f64>; Language::ALL.len()]);

impl LanguageThresholds {
    /// Sets that of a language: 0.0..=1.0.
    pub fn set(&mut self, language: Language, threshold: Option<f64>) {
        self.0[language as usize] = threshold;
    }

    /// That of the language that the caller named, if it has one.
    pub fn of(&self, language: Option<Language>) -> Option<f64> {
        self.0[language? as usize]
    }
}

/// A name that is none of the five.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown language '{0}'; accepted are en, hi, ta, te, ml or English, Hindi, Tamil, Telugu, Malayalam, in any case"
)]
pub struct UnknownLanguage(pub String);

impl FromStr for Language {
    type Err = UnknownLanguage;

    /// Accepts the code or the English name in any case, with white space around it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.trim();
        Self::ALL
            .iter()
            .find(|(_, code, name)| {
                wanted.eq_ignore_ascii_case(code) || wanted.eq_ignore_ascii_case(name)
            })
            .map(|(language, ..)| *language)
            // A caller's text may be of any length; the echo is not.
            .ok_or_else(|| UnknownLanguage(wanted.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_in_any_case_are_accepted() {
        for (language, code, name) in Language::ALL {
            assert_eq!(code.parse(), Ok(language));
            assert_eq!(name.to_uppercase().parse(), Ok(language));
            assert_eq!(format!(" {} ", name.to_lowercase()).parse(), Ok(language));
            assert_eq!((language.code(), language.name()), (code, name));
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_accepted() {
        for text in ["", "english ", "de", "Tamil2"]
            .iter()
            .filter(|t| t.trim() != "english")
        {
            let error = text.parse::<Language>().unwrap_err().to_string();
            assert!(error.contains("Malayalam"), "{error}");
        }
    }
}
