//! `ace rs …`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Subcommand;

use super::{Key, RsProfile, Site};

#[derive(Debug, Subcommand)]
pub enum Rs {
    /// Register a resource server and print its bundle
    #[command(after_help = "\
Examples:
  ace rs add thermo --audience thermo --site ./site > thermo.json
  ace rs add door --profile coap_dtls --site ./site > door.json
  ace rs add gate --profile coap_dtls-psk --token-alg -7 --derive-keys --site ./site > gate.json

The bundle holds keys: a file it is sent to becomes readable by its owner alone.")]
    Add {
        /// Its name in grants, lists and logs
        name: String,
        /// The audience that clients ask tokens for; the name if not given
        #[arg(long)]
        audience: Option<String>,
        /// What it speaks with clients; may be given more than once
        #[arg(
            long = "profile",
            value_name = "PROFILE",
            default_value = "coap_oscore"
        )]
        profiles: Vec<RsProfile>,
        #[command(flatten)]
        key: Key,
        /// COSE number of what protects its tokens: 10, 30, 31 (AES-CCM), 1, 2, 3 (AES-GCM); or signed by the AS: -7 (ES256),
        /// -8 (EdDSA)
        #[arg(
            long,
            value_name = "ALG",
            default_value_t = 10,
            allow_negative_numbers = true
        )]
        token_alg: i64,
        /// For coap_dtls-psk: the device derives each client's key from the token, which then holds none
        #[arg(long)]
        derive_keys: bool,
        /// The device has no clock: tokens carry `exi` instead of relying on `exp`
        #[arg(long)]
        clockless: bool,
        #[command(flatten)]
        site: Site,
    },
    /// Print the bundle of a resource server again
    #[command(after_help = "Example:\n  ace rs show thermo --site ./site > thermo.json")]
    Show {
        /// As `ace rs list` shows it
        name: String,
        #[command(flatten)]
        site: Site,
    },
    /// List the registered resource servers
    #[command(after_help = "Example:\n  ace rs list --site ./site --json")]
    List {
        /// A JSON array of name, audience, profiles, token_alg and clockless
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        site: Site,
    },
    /// Remove a resource server and every grant on it
    #[command(after_help = "Example:\n  ace rs remove thermo --site ./site")]
    Remove {
        /// As `ace rs list` shows it
        name: String,
        #[command(flatten)]
        site: Site,
    },
    /// Run a sample resource server: /temp (GET), /led (GET, PUT), /.well-known/core
    #[command(after_help = "\
Examples:
  ace rs serve thermo.json --listen 127.0.0.1:5700
  ace rs serve door.json --listen 127.0.0.1:5700 --listen-coaps 127.0.0.1:5700   both on one port")]
    Serve {
        /// What `ace rs add` printed
        bundle: PathBuf,
        /// Where it listens (UDP)
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5700")]
        listen: SocketAddr,
        /// Where it listens for DTLS, if its profiles need it; the port after that of --listen if not given
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen_coaps: Option<SocketAddr>,
        /// Serve as a device whose clock cannot be trusted: tokens must answer a client-nonce
        #[arg(long)]
        no_clock: bool,
    },
}
