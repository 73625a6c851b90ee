//! Which site a verb is about.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct Site {
    /// The folder made by `ace init`
    #[arg(
        long = "site",
        value_name = "DIR",
        default_value = ".",
        env = "ACE_SITE",
        hide_env_values = true
    )]
    pub path: PathBuf,
}
