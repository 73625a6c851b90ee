//! `ace client …`.

use clap::Subcommand;

use super::{ClientProfile, Key, Site};

#[derive(Debug, Subcommand)]
pub enum Client {
    /// Register a client and print its bundle
    #[command(after_help = "\
Examples:
  ace client add alice --site ./site > alice.json
  ace client add bob --profile coap_dtls-psk --site ./site > bob.json
  ace client add carol --profile coap_dtls-rpk --curve Ed25519 --site ./site > carol.json

The bundle holds keys: a file it is sent to becomes readable by its owner alone.")]
    Add {
        /// Its name in grants, lists and logs
        name: String,
        /// What it speaks
        #[arg(long, value_name = "PROFILE", default_value = "coap_oscore")]
        profile: ClientProfile,
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        site: Site,
    },
    /// Print the bundle of a client again
    #[command(after_help = "Example:\n  ace client show alice --site ./site > alice.json")]
    Show {
        /// As `ace client list` shows it
        name: String,
        #[command(flatten)]
        site: Site,
    },
    /// List the registered clients
    #[command(after_help = "Example:\n  ace client list --site ./site --json")]
    List {
        /// A JSON array of name, profiles and grants
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        site: Site,
    },
    /// Remove a client and its grants; its key stops working at once
    #[command(after_help = "Example:\n  ace client remove alice --site ./site")]
    Remove {
        /// As `ace client list` shows it
        name: String,
        #[command(flatten)]
        site: Site,
    },
}
