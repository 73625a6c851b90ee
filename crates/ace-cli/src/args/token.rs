//! `ace token …`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Show a token in words and in CBOR diagnostic notation
    #[command(after_help = "\
Examples:
  ace token inspect d08343a1010aa20441...
  ace token inspect token.cwt --key thermo.json --json
  ace token inspect - < token.hex

`ace request -v` shows the tokens it gets in hexadecimal.")]
    Inspect {
        /// Hex, base64url, or a file with either or the bytes themselves; - for standard input
        token: String,
        /// The resource server's bundle: opens the token and checks it
        #[arg(long, value_name = "BUNDLE")]
        key: Option<PathBuf>,
        /// One JSON object: structure, verified, claims, …
        #[arg(long)]
        json: bool,
    },
}
