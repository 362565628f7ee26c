//! Copies of clips through the random channel: which there are, and their features or spectrograms.
//!
//! A training copy enters the fit beside the clip, with the clip's class and group; a test copy is scored instead of it,
//! for the column *through the channel*. Neither is told the class. Each has a key, out of which the channel draws all
//! that is random: `FILE#PRESET.SEED.NUMBER` for the training copies from 1, `FILE#through.PRESET.SEED` for a test copy;
//! feature tables hold their rows under it.

use std::collections::HashMap;

use super::channel::{Chain, Channel, Filter, Preset};
use super::conditions::RECORDED;
use super::manifest::Clip;
use super::recording::Recording;
use crate::audio::Waveform;
use crate::features::FeatureError;

/// Draws of one copy before its clip is given up: a channel may leave too little speech to judge.
const ATTEMPTS: usize = 8;

/// Which copies are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// Copies of each training clip.
    pub training: usize,
    /// What training copies pass.
    pub channel: Channel,
    /// What test clips pass in further columns of the report: one copy of each clip for each channel.
    pub through: Vec<Channel>,
    /// Seed of all copies.
    pub seed: u64,
}

impl Default for CopyOptions {
    /// No copies.
    fn default() -> Self {
        Self {
            training: 0,
            channel: Channel::without_ffmpeg(Preset::Wide),
            through: Vec::new(),
            seed: 42,
        }
    }
}

/// What the copies were, for reports.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CopySummary {
    /// Copies of each training clip.
    pub training: usize,
    /// What they passed; `none` without copies.
    pub channel: String,
    /// Channels that test clips were also scored through.
    pub through: Vec<String>,
    /// Seed of all copies.
    pub seed: u64,
}

/// One line on the training copies, as the artifact carries it.
impl std::fmt::Display for CopySummary {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let copies = if self.training == 1 { "copy" } else { "copies" };
        write!(
            f,
            "{} {copies} of each clip through the channel {}, seed {}",
            self.training, self.channel, self.seed
        )
    }
}

/// What is known of one clip and of its copies; `R` is a vector of features or a spectrogram.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows<R> {
    /// As recorded.
    pub recorded: R,
    /// Training copies, shape `[copies]`.
    pub copies: Vec<R>,
    /// Test copies, shape `[channels]`.
    pub through: Vec<R>,
    /// What is known of its file.
    pub recording: Recording,
}

impl<R> Rows<R> {
    /// A clip without copies.
    pub(super) fn recorded(recorded: R) -> Self {
        Self {
            recorded,
            copies: Vec::new(),
            through: Vec::new(),
            recording: Recording::default(),
        }
    }
}

/// The rows of one clip, or why there are none.
pub(super) type RowsOrReason<R> = Result<Rows<R>, String>;

impl CopyOptions {
    /// What reports say; nothing where no copy is made.
    #[must_use]
    pub fn summary(&self) -> Option<CopySummary> {
        let none = self.training == 0 && self.through.is_empty();
        (!none).then(|| CopySummary {
            training: self.training,
            channel: if self.training == 0 {
                "none".into()
            } else {
                self.channel.to_string()
            },
            through: self.through.iter().map(Channel::to_string).collect(),
            seed: self.seed,
        })
    }

    /// Names of the channels that test clips also pass.
    pub(super) fn channel_names(&self) -> impl Iterator<Item = &'static str> {
        self.through.iter().map(|channel| channel.preset().name())
    }

    /// What clips are tested in: as recorded, then each channel.
    pub(super) fn conditions(&self) -> Vec<&'static str> {
        std::iter::once(RECORDED)
            .chain(self.channel_names())
            .collect()
    }

    /// Keys of the training copies of `file`, in their order.
    pub(super) fn training_keys(&self, file: &str) -> Vec<String> {
        let preset = self.channel.preset().name();
        (1..=self.training)
            .map(|number| format!("{file}#{preset}.{}.{number}", self.seed))
            .collect()
    }

    /// Keys of the test copies of `file`, one for each channel.
    pub(super) fn through_keys(&self, file: &str) -> Vec<String> {
        self.channel_names()
            .map(|preset| format!("{file}#through.{preset}.{}", self.seed))
            .collect()
    }

    /// The steps of each clip's test copy through the channel of that place. A copy that was drawn again because the first
    /// draw left nothing to judge has others.
    pub(super) fn chains(&self, place: usize, clips: &[Clip]) -> Vec<Chain> {
        let chain = |clip: &Clip| self.through[place].chain(&self.through_keys(&clip.file)[place]);
        clips.iter().map(chain).collect()
    }

    /// Takes the rows of `file` out of a feature table.
    pub(super) fn take_rows<R>(
        &self,
        file: &str,
        table: &mut HashMap<String, R>,
    ) -> RowsOrReason<R> {
        let recorded = table
            .remove(file)
            .ok_or_else(|| "not in the feature table".to_owned())?;
        let mut copies = |keys: Vec<String>| -> Result<Vec<_>, String> {
            let row = |key: String| {
                let row = table.remove(&key);
                row.ok_or_else(|| format!("its copy {key} is not in the feature table"))
            };
            keys.into_iter().map(row).collect()
        };
        Ok(Rows {
            recorded,
            copies: copies(self.training_keys(file))?,
            through: copies(self.through_keys(file))?,
            recording: Recording::default(),
        })
    }

    /// Computes the rows of `file`, whose sound is `waveform`; `row` makes one of a sound.
    pub(super) fn extract<R>(
        &self,
        file: &str,
        waveform: &Waveform,
        filter: &mut Filter,
        mut row: impl FnMut(&Waveform) -> Result<R, FeatureError>,
    ) -> RowsOrReason<R> {
        let recorded = row(waveform).map_err(|e| e.to_string())?;
        let mut row = |channel: &Channel, key: &str| copy(channel, key, waveform, filter, &mut row);
        let copies = self.training_keys(file).into_iter();
        let copies: Result<_, String> = copies.map(|key| row(&self.channel, &key)).collect();
        let through = self.through_keys(file).into_iter().zip(&self.through);
        let through: Result<_, String> = through.map(|(key, channel)| row(channel, &key)).collect();
        Ok(Rows {
            recorded,
            copies: copies?,
            through: through?,
            recording: Recording::default(),
        })
    }
}

/// The row of one copy. What a channel made impossible to judge is drawn again.
fn copy<R>(
    channel: &Channel,
    key: &str,
    waveform: &Waveform,
    filter: &mut Filter,
    row: &mut impl FnMut(&Waveform) -> Result<R, FeatureError>,
) -> Result<R, String> {
    let mut reason = String::new();
    for attempt in 0..ATTEMPTS {
        let key = match attempt {
            0 => key.to_owned(),
            again => format!("{key}.again{again}"),
        };
        let copy = channel
            .copy(waveform, &key, filter)
            .map_err(|e| e.to_string())?;
        match row(&copy) {
            Ok(row) => return Ok(row),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(format!(
        "no copy through the channel can be judged: {reason}"
    ))
}
