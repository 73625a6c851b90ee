//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// ACE for constrained devices: who may do what to which device, and the device enforces it itself.
#[derive(Debug, Parser)]
#[command(
    name = "ace",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
Start with:
  ace demo                                   a device getting in, on real sockets
  ace init ./site && ace serve --site ./site  your own authorization server"
)]
pub struct Arguments {
    /// Show the exchange message by message: names, codes, sizes, decoded CBOR, never a key. Twice: the engines' log too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an AS, a resource server and a client on UDP sockets of this machine and show the exchange
    #[command(
        after_help = "Example:\n  ace demo\n  ace demo --json | jq '.steps[] | {name, code}'"
    )]
    Demo(Demo),
    /// Make the folder of an authorization server: ace.toml, store and keys
    #[command(after_help = "Example:\n  ace init ./site")]
    Init(Init),
    /// Run the authorization server of a site
    #[command(after_help = "Example:\n  ace serve --site ./site")]
    Serve(Serve),
    /// Resource servers: register them, or run a sample one
    Rs {
        #[command(subcommand)]
        command: Rs,
    },
    /// Clients: register them
    Client {
        #[command(subcommand)]
        command: Client,
    },
    /// Allow a client to do something at a resource server
    #[command(after_help = "\
Examples:
  ace grant alice thermo 'GET /temp' --site ./site
  ace grant alice thermo 'GET,PUT /led' --site ./site
  ace grant alice thermo 'GET /temp' --remove --site ./site
  ace grant alice thermo --site ./site        what alice may do there")]
    Grant(Grant),
    /// Ask a resource server for something, getting a token on the way
    #[command(after_help = "\
Examples:
  ace request GET coap://127.0.0.1:5700/temp --as alice.json
  ace request PUT coap://127.0.0.1:5700/led 1 --as alice.json -v")]
    Request(Request),
    /// Look into tokens
    Token {
        #[command(subcommand)]
        command: Token,
    },
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  ace completions bash > /etc/bash_completion.d/ace")]
    Completions { shell: Shell },
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
    /// One JSON object: ok, and steps with name, code, request_bytes, response_bytes and ms
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The folder to make
    pub site: PathBuf,
    /// Where the AS will listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5683")]
    pub listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct Site {
    /// The folder made by `ace init`
    #[arg(
        long = "site",
        value_name = "DIR",
        default_value = ".",
        env = "ACE_SITE"
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
    /// Only check ace.toml and the store, then leave
    #[arg(long)]
    pub validate: bool,
}

#[derive(Debug, Subcommand)]
pub enum Rs {
    /// Register a resource server and print its bundle
    #[command(
        after_help = "Example:\n  ace rs add thermo --audience thermo --site ./site > thermo.json"
    )]
    Add {
        name: String,
        /// The audience that clients ask tokens for; the name if not given
        #[arg(long)]
        audience: Option<String>,
        /// COSE number of the AEAD that protects its tokens: 10, 30, 31 (AES-CCM), 1, 2, 3 (AES-GCM)
        #[arg(long, value_name = "ALG", default_value_t = 10)]
        token_alg: i64,
        /// The device has no clock: tokens carry `exi` instead of relying on `exp`
        #[arg(long)]
        clockless: bool,
        #[command(flatten)]
        site: Site,
    },
    /// List the registered resource servers
    #[command(after_help = "Example:\n  ace rs list --site ./site --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        site: Site,
    },
    /// Remove a resource server and every grant on it
    #[command(after_help = "Example:\n  ace rs remove thermo --site ./site")]
    Remove {
        name: String,
        #[command(flatten)]
        site: Site,
    },
    /// Run a sample resource server: /temp (GET), /led (GET, PUT), /.well-known/core
    #[command(after_help = "Example:\n  ace rs serve thermo.json --listen 127.0.0.1:5700")]
    Serve {
        /// What `ace rs add` printed
        bundle: PathBuf,
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5700")]
        listen: SocketAddr,
        /// Serve as a device whose clock cannot be trusted: tokens must answer a client-nonce
        #[arg(long)]
        no_clock: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Client {
    /// Register a client and print its bundle
    #[command(after_help = "Example:\n  ace client add alice --site ./site > alice.json")]
    Add {
        name: String,
        #[command(flatten)]
        site: Site,
    },
    /// List the registered clients
    #[command(after_help = "Example:\n  ace client list --site ./site --json")]
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        site: Site,
    },
    /// Remove a client and its grants; its key stops working at once
    #[command(after_help = "Example:\n  ace client remove alice --site ./site")]
    Remove {
        name: String,
        #[command(flatten)]
        site: Site,
    },
}

#[derive(Debug, Args)]
pub struct Grant {
    pub client: String,
    /// The resource server's name
    pub rs: String,
    /// Methods and path, such as 'GET /temp' or 'GET,PUT /led', or a scope name; leave out to list
    pub scope: Option<String>,
    /// Take the grant back
    #[arg(long, requires = "scope")]
    pub remove: bool,
    /// List as JSON
    #[arg(long, conflicts_with = "scope")]
    pub json: bool,
    #[command(flatten)]
    pub site: Site,
}

#[derive(Debug, Args)]
pub struct Request {
    /// GET, POST, PUT, DELETE, FETCH, PATCH or iPATCH
    pub method: String,
    /// Such as coap://127.0.0.1:5700/temp
    pub uri: String,
    /// What to send
    pub payload: Option<String>,
    /// The client's bundle, as `ace client add` printed it
    #[arg(long = "as", value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// Where tokens and sequence numbers are kept; beside the bundle if not given
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Print one JSON object instead of the payload
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Show a token in words and in CBOR diagnostic notation
    #[command(after_help = "\
Examples:
  ace token inspect d08343a1010a...
  ace token inspect token.cwt --key thermo.json")]
    Inspect {
        /// Hex, base64url, or a file with either or the bytes themselves; - for standard input
        token: String,
        /// The resource server's bundle: opens the token and checks it
        #[arg(long, value_name = "BUNDLE")]
        key: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
}

/// Writes the completions of `shell` to standard output.
pub fn print_completions(shell: Shell) {
    clap_complete::generate(
        shell,
        &mut Arguments::command(),
        "ace",
        &mut std::io::stdout(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
