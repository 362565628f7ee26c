//! Attacks of the ASVspoof challenges: kind, engine and family of each id.
//!
//! 2019 LA: Wang et al., "ASVspoof 2019: A large-scale public database of synthesized, converted and
//! replayed speech" (Computer Speech & Language 64, 2020), table 1; A16 and A19 are A04 and A06 again.
//! ASVspoof 5: Wang et al., "ASVspoof 5: Design, Collection and Validation" (arXiv 2502.08857); attacks
//! behind an adversarial filter (Malafide, Malacopula) are of the family of what they filter. An
//! attack that is in-house or whose base is not told is a family of its own. Families that also
//! stand in `training/public_sources.csv` have its names.

/// Kind, engine, family.
pub type Attack = (&'static str, &'static str, &'static str);

const TTS: &str = "neural-tts";
const STATISTICAL: &str = "statistical";
const CONCATENATIVE: &str = "concatenative";
const CONVERSION: &str = "voice-conversion";

/// An attack of ASVspoof 2019 LA, which are also those of 2021's source `asvspoof`.
pub fn la_2019(id: &str) -> Option<Attack> {
    Some(match id {
        "A01" => (TTS, "vae-wavenet", "wavenet"),
        "A02" => (STATISTICAL, "vae-world", "dnn-world"),
        "A03" => (STATISTICAL, "merlin", "merlin"),
        "A04" | "A16" => (CONCATENATIVE, "marytts", "marytts"),
        "A05" => (CONVERSION, "vae-world-vc", "vae-vc"),
        "A06" | "A19" => (CONVERSION, "transfer-function-vc", "transfer-function-vc"),
        "A07" => (TTS, "world-wavecyclegan2", "wavecyclegan"),
        "A08" => (TTS, "nsf", "nsf"),
        "A09" => (STATISTICAL, "lstm-vocaine", "vocaine"),
        "A10" => (TTS, "tacotron2-wavernn", "tacotron"),
        "A11" => (TTS, "tacotron2-griffin-lim", "tacotron"),
        "A12" => (TTS, "wavenet", "wavenet"),
        "A13" => (
            CONVERSION,
            "tts-vc-waveform-filtering",
            "tts-vc-waveform-filtering",
        ),
        "A14" => (CONVERSION, "tts-vc-straight", "tts-vc-lstm"),
        "A15" => (CONVERSION, "tts-vc-wavenet", "tts-vc-lstm"),
        "A17" => (CONVERSION, "vae-waveform-filtering-vc", "vae-vc"),
        "A18" => (CONVERSION, "ivector-plda-vc", "ivector-vc"),
        _ => return None,
    })
}

/// An attack of ASVspoof 5.
pub fn asvspoof5(id: &str) -> Option<Attack> {
    Some(match id {
        "A01" | "A02" | "A03" => (TTS, "glow-tts", "glow-tts"),
        "A04" | "A05" | "A06" => (TTS, "grad-tts", "grad-tts"),
        "A07" => (TTS, "fastpitch", "fastpitch"),
        "A08" => (TTS, "vits", "vits"),
        "A09" | "A10" | "A21" | "A23" => (TTS, "toucan", "toucan"),
        "A11" => (TTS, "tacotron2", "tacotron"),
        "A12" | "A20" => (CONCATENATIVE, "unit-selection", "asvspoof5-unit-selection"),
        "A13" => (CONVERSION, "starganv2-vc", "stargan"),
        "A14" | "A28" => (TTS, "yourtts", "vits"),
        "A15" => (CONVERSION, "vae-gan-vc", "vae-gan-vc"),
        "A16" | "A26" | "A27" => (CONVERSION, "asvspoof5-a16", "asvspoof5-a16"),
        "A17" | "A18" | "A30" => (TTS, "zmm-tts", "zmm-tts"),
        "A19" => (CONCATENATIVE, "marytts", "marytts"),
        "A22" | "A31" => (TTS, "asvspoof5-a22", "asvspoof5-a22"),
        "A24" => (CONVERSION, "asvspoof5-a24", "asvspoof5-a24"),
        "A25" | "A32" => (CONVERSION, "diffvc", "diffvc"),
        "A29" => (TTS, "xtts", "xtts"),
        _ => return None,
    })
}
