//! Names of published models -> families, as `training/public_sources.csv` uses them.

/// Parts of names and the family of what has them; the first that fits counts.
const FAMILIES: &[(&str, &str)] = &[
    ("mms-tts", "mms-tts"),
    ("indicf5", "f5-tts"),
    ("f5-tts", "f5-tts"),
    ("yourtts", "vits"),
    ("piper", "vits"),
    ("jets", "vits"),
    ("xtts", "xtts"),
    ("styletts", "styletts"),
    ("kokoro", "kokoro"),
    ("melotts", "kokoro"),
    ("parler", "parler"),
    ("vits", "vits"),
    ("tacotron", "tacotron"),
    ("capacitron", "capacitron"),
    ("glow-tts", "glow-tts"),
    ("glowtts", "glow-tts"),
    ("grad-tts", "grad-tts"),
    ("matcha", "matcha-tts"),
    ("fastpitch", "fastpitch"),
    ("fastspeech", "fastspeech"),
    ("fast-pitch", "fastpitch"),
    ("speedy-speech", "speedyspeech"),
    ("speedyspeech", "speedyspeech"),
    ("overflow", "overflow"),
    ("neural-hmm", "neural-hmm"),
    ("tortoise", "tortoise"),
    ("cosyvoice", "cosyvoice"),
    ("vall-e", "valle"),
    ("valle", "valle"),
    ("voicecraft", "valle"),
    ("zonos", "zonos"),
    ("bark", "bark"),
    ("griffin-lim", "griffin-lim"),
    ("bigvgan", "bigvgan"),
    ("melgan", "melgan"),
    ("hifigan", "hifigan"),
    ("hifi-gan", "hifigan"),
    ("parallel-wavegan", "parallel-wavegan"),
    ("waveglow", "waveglow"),
    ("wavernn", "wavernn"),
    ("hnsf", "nsf"),
];

/// The family of an engine whose name is a slug; the engine itself where it is in no known family.
pub fn family(engine: &str) -> &str {
    let known = FAMILIES.iter().find(|(part, _)| engine.contains(part));
    known.map_or(engine, |(_, family)| family)
}
