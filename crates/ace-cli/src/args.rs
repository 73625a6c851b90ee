//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion},
};
use clap_complete::Shell;

use crate::{failure::Failure, output};

/// ACE for constrained devices: who may do what to which device, and the device enforces it itself.
#[derive(Debug, Parser)]
#[command(
    name = "ace",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
Start with:
  ace demo                                    a device getting in, on real sockets
  ace init ./site && ace serve --site ./site  your own authorization server

Exit codes:
  0  done
  1  refused, or no answer
  2  the command, a file or the machine is not as it must be

Environment:
  ACE_SITE  the site folder, instead of --site
  ACE_LOG   what is logged: error, warn, info, debug or trace
  NO_COLOR  no colour"
)]
pub struct Arguments {
    /// Show the exchange message by message, never a key. Servers: log more. Twice: the engines' log too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colour; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an AS, a resource server and a client on UDP sockets of this machine and show the exchange
    #[command(after_help = "\
Examples:
  ace demo
  ace demo -v                                   every message, decoded
  ace demo --profile coap_dtls-rpk              the same over DTLS with raw public keys
  ace demo --json | jq '.steps[] | {name, code}'")]
    Demo(Demo),
    /// Make the folder of an authorization server: ace.toml, store and keys
    #[command(after_help = "\
Examples:
  ace init ./site
  ace init ./site --listen 0.0.0.0:5683 --uri coap://as.example/token")]
    Init(Init),
    /// Run the authorization server of a site
    #[command(after_help = "\
Examples:
  ace serve --site ./site
  ace serve --site ./site --validate            only check ace.toml and the store")]
    Serve(Serve),
    /// Resource servers: register them, or run a sample one
    #[command(after_help = "\
Examples:
  ace rs add thermo --audience thermo --site ./site > thermo.json
  ace rs serve thermo.json --listen 127.0.0.1:5700")]
    Rs {
        #[command(subcommand)]
        command: Rs,
    },
    /// Clients: register them
    #[command(after_help = "\
Examples:
  ace client add alice --site ./site > alice.json
  ace client list --site ./site")]
    Client {
        #[command(subcommand)]
        command: Client,
    },
    /// Allow a client to do something at a resource server
    #[command(after_help = "\
Examples:
  ace grant alice thermo 'GET /temp' --site ./site
  ace grant alice thermo 'GET,PUT /led' --site ./site
  ace grant alice thermo 'PUT /led' --remove --site ./site
  ace grant alice --site ./site                 what alice may do, and where")]
    Grant(Grant),
    /// Ask a resource server for something, getting a token on the way
    #[command(after_help = "\
Examples:
  ace request GET coap://127.0.0.1:5700/temp --as alice.json
  ace request PUT coap://127.0.0.1:5700/led 1 --as alice.json -v
  ace request GET coaps://127.0.0.1:5701/temp --as bob.json

A client of coap_dtls finds DTLS one port after CoAP, so that the first and the
third say the same.

Tokens and sequence numbers are kept in a file beside the bundle. If it is
lost, the next one begins above all numbers used before, by the clock: do not
set the clock back.")]
    Request(Request),
    /// Look into tokens
    #[command(after_help = "Example:\n  ace token inspect token.cwt --key thermo.json")]
    Token {
        #[command(subcommand)]
        command: Token,
    },
    /// Print the completions of a shell
    #[command(after_help = "\
Examples:
  ace completions bash > /etc/bash_completion.d/ace
  ace completions zsh > ~/.zfunc/_ace
  ace completions fish > ~/.config/fish/completions/ace.fish")]
    Completions {
        /// Whose
        shell: Shell,
    },
}

impl Command {
    /// Whether it runs until it is stopped.
    pub const fn serves(&self) -> bool {
        matches!(
            self,
            Self::Serve(_)
                | Self::Rs {
                    command: Rs::Serve { .. }
                }
        )
    }
}

#[derive(Debug, Args)]
pub struct Demo {
    /// How requests are protected
    #[arg(long, value_name = "PROFILE", default_value = "coap_oscore")]
    pub profile: ClientProfile,
    /// One JSON object: ok, and steps with name, code, request_bytes, response_bytes and ms
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The folder to make
    pub site: PathBuf,
    /// Where the AS will listen (UDP)
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5683")]
    pub listen: SocketAddr,
    /// Its token endpoint as clients reach it; coap://ADDRESS:PORT/token if not given
    #[arg(long)]
    pub uri: Option<String>,
    /// Where it will listen for DTLS (UDP); the port after that of --listen if not given
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen_coaps: Option<SocketAddr>,
    /// Its token endpoint over DTLS; that of --uri as coaps, one port further, if not given
    #[arg(long, value_name = "URI")]
    pub uri_coaps: Option<String>,
}

/// A client's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientProfile {
    /// OSCORE (RFC 9203)
    #[value(name = "coap_oscore")]
    Oscore,
    /// DTLS with pre-shared keys (RFC 9202)
    #[value(name = "coap_dtls-psk")]
    DtlsPsk,
    /// DTLS with raw public keys (RFC 9202)
    #[value(name = "coap_dtls-rpk")]
    DtlsRpk,
}

/// A resource server's profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RsProfile {
    /// OSCORE (RFC 9203)
    #[value(name = "coap_oscore")]
    Oscore,
    /// DTLS with pre-shared and with raw public keys (RFC 9202)
    #[value(name = "coap_dtls")]
    Dtls,
    /// DTLS with pre-shared keys
    #[value(name = "coap_dtls-psk")]
    DtlsPsk,
    /// DTLS with raw public keys
    #[value(name = "coap_dtls-rpk")]
    DtlsRpk,
}

/// Where a device's raw public key comes from.
#[derive(Debug, Args)]
pub struct Key {
    /// For coap_dtls-rpk: the curve of the key pair that is made for it; P-256 if not given
    #[arg(long, value_name = "CURVE")]
    pub curve: Option<Curve>,
    /// For coap_dtls-rpk: the device's own public key (SubjectPublicKeyInfo as PEM, DER or hex) instead of a new pair
    #[arg(long, value_name = "FILE", conflicts_with = "curve")]
    pub public_key: Option<PathBuf>,
}

/// A curve of raw public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Curve {
    /// For ECDSA with SHA-256
    #[value(name = "P-256", alias = "p-256", alias = "p256", alias = "secp256r1")]
    P256,
    /// For EdDSA
    #[value(name = "Ed25519", alias = "ed25519")]
    Ed25519,
}

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

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub site: Site,
    /// Listen here instead of where ace.toml says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Listen here for DTLS instead of where ace.toml says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen_coaps: Option<SocketAddr>,
    /// Only check ace.toml and the store, then leave
    #[arg(long)]
    pub validate: bool,
}

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

#[derive(Debug, Args)]
pub struct Grant {
    /// The client's name
    pub client: String,
    /// The resource server's name; leave out to list all grants of the client
    pub rs: Option<String>,
    /// Methods and path, such as 'GET /temp' or 'GET,PUT /led', or a scope name; leave out to list
    pub scope: Option<String>,
    /// Take the grant back; tokens already issued live on until they expire
    #[arg(long, requires = "scope")]
    pub remove: bool,
    /// A JSON array of client, rs and scope: what the client may do now
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub site: Site,
}

#[derive(Debug, Args)]
pub struct Request {
    /// GET, POST, PUT, DELETE, FETCH, PATCH or iPATCH
    pub method: String,
    /// Such as coap://127.0.0.1:5700/temp; with coaps the port is the one for DTLS
    pub uri: String,
    /// What to send, as text
    pub payload: Option<String>,
    /// The client's bundle, as `ace client add` printed it
    #[arg(long = "as", value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// Where tokens and sequence numbers are kept; BUNDLE.state if not given
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// With pre-shared keys: send the token inside of the DTLS handshake instead of uploading it before
    #[arg(long)]
    pub token_in_handshake: bool,
    /// The resource server has CoAP and DTLS on one port
    #[arg(long)]
    pub one_port: bool,
    /// How long everything together may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// One JSON object instead of the payload: ok, and how it ended
    #[arg(long)]
    pub json: bool,
}

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

impl Arguments {
    /// Reads the command line; prints help and version, and leaves, if that is what was asked for.
    pub fn read() -> Result<Self, Failure> {
        Self::try_parse().map_err(|error| {
            if let DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand =
                error.kind()
            {
                error.exit();
            }
            let verb = verb(std::env::args().skip(1));
            Failure::setup(sentence(&error.render().to_string(), &verb))
        })
    }
}

/// One sentence of what clap says in several lines.
fn sentence(message: &str, verb: &str) -> String {
    let lines = message.lines().map(str::trim);
    let lines = lines.take_while(|line| !line.starts_with("Usage:"));
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with("For more"));
    let first = lines.next().unwrap_or("what is meant is unclear");
    let first = first.trim_start_matches("error: ");
    let rest: Vec<_> = lines.collect();
    let joint = match (rest.is_empty(), first.ends_with(':')) {
        (true, _) => "",
        (false, true) => " ",
        (false, false) => "; ",
    };
    format!("{first}{joint}{}; see `{verb} --help`", rest.join(", "))
}

/// The verb as far as it is one, such as `ace rs serve`.
fn verb(words: impl Iterator<Item = String>) -> String {
    let mut command = Arguments::command();
    let mut verb = command.get_name().to_owned();
    for word in words {
        if let Some(found) = command.find_subcommand(&word) {
            verb = format!("{verb} {word}");
            command = found.clone();
        }
    }
    verb
}

/// Writes the completions of `shell` to standard output.
pub fn print_completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "ace", &mut text);
    output::print(String::from_utf8_lossy(&text).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_wrong_command_line_is_one_sentence() {
        let message = |line: &str| {
            let words: Vec<_> = line.split(' ').collect();
            let error = Arguments::try_parse_from(&words).expect_err("refused");
            let verb = verb(words.into_iter().skip(1).map(String::from));
            sentence(&error.to_string(), &verb)
        };
        assert_eq!(
            message("ace request GET"),
            "the following required arguments were not provided: --as <BUNDLE>, <URI>; see `ace request --help`"
        );
        assert_eq!(
            message("ace grnt"),
            "unrecognized subcommand 'grnt'; tip: a similar subcommand exists: 'grant'; see `ace --help`"
        );
        assert_eq!(
            message("ace -v rs serve x --listen y"),
            "invalid value 'y' for '--listen <ADDRESS:PORT>': invalid socket address syntax; see `ace rs serve --help`"
        );
        assert_eq!(
            message("ace --color x demo"),
            "invalid value 'x' for '--color <WHEN>'; [possible values: auto, always, never]; see `ace demo --help`"
        );
    }
}
