//! Which of the manifests' clips are used: what is left out on purpose, counted by reason.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::TrainingError;
use super::manifest::{self, Clip};

/// What is left out of a corpus. By default, nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Lists of clips to drop: CSV `file,reason`, further columns ignored. `voxproof corpus check`
    /// writes one.
    pub drop: Vec<PathBuf>,
    /// Kinds that are left out, for example `copy-synthesis`.
    pub exclude_kinds: Vec<String>,
    /// Licence classes that are kept, of [`manifest::LICENCE_CLASSES`]; all where empty.
    pub licences: Vec<String>,
}

impl Selection {
    /// Takes the clips out that are not wanted; how many went for which reason. Kinds and licence
    /// classes that no clip has count 0, so that a misspelt one shows.
    ///
    /// # Errors
    /// [`TrainingError`] if a list cannot be read.
    pub fn apply(&self, clips: &mut Vec<Clip>) -> Result<BTreeMap<String, usize>, TrainingError> {
        let mut dropped = HashMap::new();
        for list in &self.drop {
            dropped.extend(manifest::pairs(list, "file")?);
        }
        let mut counts: BTreeMap<String, usize> = self
            .exclude_kinds
            .iter()
            .map(|kind| (format!("kind {kind}"), 0))
            .collect();
        clips.retain(|clip| match self.reason(clip, &dropped) {
            Some(reason) => {
                *counts.entry(reason).or_insert(0) += 1;
                false
            }
            None => true,
        });
        Ok(counts)
    }

    /// Why a clip is left out, if it is.
    fn reason(&self, clip: &Clip, dropped: &HashMap<String, String>) -> Option<String> {
        if let Some(reason) = dropped.get(&clip.file) {
            return Some(if reason.is_empty() { "dropped" } else { reason }.into());
        }
        if self.exclude_kinds.contains(&clip.kind) {
            return Some(format!("kind {}", clip.kind));
        }
        (!clip.has_licence(&self.licences)).then(|| format!("licence: {}", clip.licence_class()))
    }
}
