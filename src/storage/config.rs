//! Settings of the stores.

use std::path::PathBuf;

use crate::http::ConfigError;
use crate::http::config::parsed;

/// 512 MB, the largest object that is judged by default.
pub const DEFAULT_MAX_OBJECT_BYTES: u64 = 512 * 1024 * 1024;

/// Where uploads and results live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// Bucket of the uploads that the API gives addresses for.
    pub uploads_bucket: Option<String>,
    /// Bucket of the results.
    pub results_bucket: Option<String>,
    /// Folder that stands in for both.
    pub data_dir: Option<PathBuf>,
    /// Most bytes of an object.
    pub max_object_bytes: u64,
}

impl StorageConfig {
    /// Settings from `lookup`, which gives a variable's value by its name: `UPLOADS_BUCKET`, `RESULTS_BUCKET`,
    /// `DATA_DIR`, `MAX_OBJECT_BYTES`. Empty values count as unset.
    ///
    /// # Errors
    /// A value that cannot be used, one bucket for both, or buckets beside a folder.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let var = |name: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let config = Self {
            uploads_bucket: var("UPLOADS_BUCKET"),
            results_bucket: var("RESULTS_BUCKET"),
            data_dir: var("DATA_DIR").map(PathBuf::from),
            max_object_bytes: parsed(
                "MAX_OBJECT_BYTES",
                var("MAX_OBJECT_BYTES"),
                "a number of bytes from 1024 to 5368709120",
                |bytes| (1024..=5 << 30).contains(bytes),
            )?
            .unwrap_or(DEFAULT_MAX_OBJECT_BYTES),
        };
        if let (Some(uploads), Some(results)) = (&config.uploads_bucket, &config.results_bucket)
            && uploads == results
        {
            // Each result would be an upload, whose result would be one, and so on.
            return Err(ConfigError::BadValue {
                variable: "RESULTS_BUCKET",
                found: format!("'{results}', as UPLOADS_BUCKET is"),
                accepted: "another bucket than the uploads'",
            });
        }
        if let (Some(folder), true) = (
            &config.data_dir,
            config.uploads_bucket.is_some() || config.results_bucket.is_some(),
        ) {
            return Err(ConfigError::BadValue {
                variable: "DATA_DIR",
                found: format!("'{}' beside buckets", folder.display()),
                accepted: "a folder, or UPLOADS_BUCKET and RESULTS_BUCKET",
            });
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> Result<StorageConfig, ConfigError> {
        StorageConfig::from_vars(|name| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn values_that_cannot_be_used_are_refused_by_name() {
        for (vars, name) in [
            (&[("MAX_OBJECT_BYTES", "512MB")][..], "MAX_OBJECT_BYTES"),
            (&[("MAX_OBJECT_BYTES", "0")], "MAX_OBJECT_BYTES"),
            (
                &[("UPLOADS_BUCKET", "a"), ("RESULTS_BUCKET", "a")],
                "RESULTS_BUCKET",
            ),
            (
                &[("DATA_DIR", "/data"), ("RESULTS_BUCKET", "a")],
                "DATA_DIR",
            ),
        ] {
            let error = config(vars).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
        let unset = config(&[("RESULTS_BUCKET", " ")]).unwrap();
        assert_eq!(
            (unset.results_bucket, unset.max_object_bytes),
            (None, 512 << 20)
        );
    }
}
