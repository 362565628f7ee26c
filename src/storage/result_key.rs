//! The key of an object's result: `results/<bucket>/<key>/<version or ETag>/<model>-<version>.json`.
//!
//! One state of an object, one model: one key. Versions, ETags and model names hold no `/`, so the last two parts are
//! always these, whatever the object's key is.

use sha2::{Digest, Sha256};

use super::object::ObjectRef;
use crate::hex::hex;
use crate::model::ModelInfo;

/// What every result's key begins with.
pub const RESULTS: &str = "results/";

/// Longest key that S3 accepts, in bytes of UTF-8.
const MAX_KEY_BYTES: usize = 1024;

/// The object, its state and the model that a result's key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultKey<'a> {
    /// The object's bucket.
    pub bucket: &'a str,
    /// The object's key; where it was too long, its beginning and a hash.
    pub key: &'a str,
    /// Version or ETag.
    pub state: &'a str,
    /// The model's name and version, joined by a hyphen.
    pub model: &'a str,
}

impl<'a> ResultKey<'a> {
    /// Takes a result's key apart; `None` for a key that is no result's.
    pub fn parse(key: &'a str) -> Option<Self> {
        let rest = key.strip_prefix(RESULTS)?.strip_suffix(".json")?;
        let (rest, model) = rest.rsplit_once('/')?;
        let (rest, state) = rest.rsplit_once('/')?;
        let (bucket, key) = rest.split_once('/')?;
        Some(Self {
            bucket,
            key,
            state,
            model,
        })
    }
}

/// The state of an object that was gone before it could be asked for it.
const UNKNOWN: &str = "unknown";

/// The key under which the result of `object`, in the state that it names, stands.
pub fn result_key(object: &ObjectRef, model: &ModelInfo) -> String {
    let state = object.state().unwrap_or(UNKNOWN);
    let tail = format!("/{state}{}", ending(&model.name, &model.version));
    let head = format!("{RESULTS}{}/", object.bucket);
    let room = MAX_KEY_BYTES.saturating_sub(head.len() + tail.len());
    let key = &object.key;
    if key.len() <= room {
        return format!("{head}{key}{tail}");
    }
    // The whole key is hashed, so that keys with the same beginning stay apart.
    let hash = hex(&Sha256::digest(key.as_bytes()));
    let mut end = room.saturating_sub(hash.len() + 1);
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    format!("{head}{}~{hash}{tail}", &key[..end])
}

/// What the keys of results by a model end with.
pub fn ending(name: &str, version: &str) -> String {
    format!("/{name}-{version}.json")
}

/// What the keys of all results of `key` in `bucket` begin with.
pub fn results_of(bucket: &str, key: &str) -> String {
    format!("{RESULTS}{bucket}/{key}/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    fn model() -> ModelInfo {
        Model::embedded("classic").unwrap().info().clone()
    }

    #[test]
    fn a_version_goes_before_the_etag_and_null_is_none() {
        let object = ObjectRef::new("calls", "2026/नमस्ते a+b.mp3").with_etag(Some("\"d41d\""));
        let model = model();
        let name = format!("{}-{}", model.name, model.version);
        let key = |o: &ObjectRef| result_key(o, &model);
        let by_etag = format!("results/calls/2026/नमस्ते a+b.mp3/d41d/{name}.json");
        assert_eq!(key(&object), by_etag);
        let null = object.clone().with_version(Some("null"));
        assert_eq!(key(&null), by_etag);
        let versioned = object.with_version(Some("v.1_x"));
        assert_eq!(
            key(&versioned),
            format!("results/calls/2026/नमस्ते a+b.mp3/v.1_x/{name}.json")
        );
        let gone = ObjectRef::new("calls", "a.mp3");
        assert_eq!(
            key(&gone),
            format!("results/calls/a.mp3/unknown/{name}.json")
        );
    }

    #[test]
    fn long_keys_fit_and_stay_apart() {
        let object = |end: &str| {
            ObjectRef::new("calls", "न".repeat(330) + end).with_etag(Some("d41d8cd98f00b204"))
        };
        let [a, b] = [object("aaaa"), object("aaab")].map(|o| result_key(&o, &model()));
        assert!(
            a.len() <= MAX_KEY_BYTES && a.len() > MAX_KEY_BYTES - 3,
            "{}",
            a.len()
        );
        assert_ne!(a, b);
        assert_eq!(ResultKey::parse(&a).unwrap().state, "d41d8cd98f00b204");
    }

    #[test]
    fn a_key_is_taken_apart_whatever_slashes_it_has() {
        let object = ObjectRef::new("calls", "/a//b/results/x.json/").with_etag(Some("e-2"));
        let model = model();
        let key = result_key(&object, &model);
        let parsed = ResultKey::parse(&key).unwrap();
        assert_eq!(
            (parsed.bucket, parsed.key),
            ("calls", "/a//b/results/x.json/")
        );
        assert_eq!(parsed.state, "e-2");
        assert_eq!(parsed.model, format!("{}-{}", model.name, model.version));
        assert!(key.starts_with(&results_of("calls", "/a//b/results/x.json/")));
        for other in [
            "",
            "results/a/b.json",
            "other/a/b/c/d.json",
            "results/a/b/c/d.txt",
        ] {
            assert_eq!(ResultKey::parse(other), None, "{other}");
        }
    }
}
