//! `voxproof model`.

use std::io::Write;
use std::process::ExitCode;

use voxproof::model::Model;

use crate::args::ModelArgs;
use crate::detect::json;
use crate::output::Failure;

/// Prints what is embedded, the default model first.
pub fn run(args: &ModelArgs) -> Result<ExitCode, Failure> {
    let names = match &args.model {
        Some(name) => vec![name.as_str()],
        None => Model::embedded_names().to_vec(),
    };
    let mut out = anstream::stdout().lock();
    for name in names {
        let model = Model::embedded(name).map_err(|error| Failure::Usage(error.to_string()))?;
        let info = model.info();
        if args.json {
            writeln!(out, "{}", json(info))?;
            continue;
        }
        let default = if name == Model::embedded_names()[0] {
            " (default)"
        } else {
            ""
        };
        writeln!(out, "{}{default}", info.name)?;
        writeln!(out, "  version        {}", info.version)?;
        writeln!(out, "  estimator      {}", info.estimator)?;
        match model.feature_set() {
            Some(set) => writeln!(
                out,
                "  features       {} ({} values)",
                info.features,
                set.names().len()
            )?,
            None => writeln!(out, "  features       {}", info.features)?,
        }
        writeln!(out, "  training data  {}", info.training_data)?;
        writeln!(out, "  threshold      {}", info.threshold)?;
        writeln!(out, "  sha256         {}", info.sha256)?;
    }
    Ok(ExitCode::SUCCESS)
}
