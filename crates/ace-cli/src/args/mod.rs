//! The command line: one file for each noun.

mod client;
mod demo;
mod device;
mod grant;
mod init;
mod request;
mod rs;
mod serve;
mod site;
mod token;

use clap::{
    CommandFactory, Parser, Subcommand, ValueEnum,
    error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion},
};
use clap_complete::Shell;

pub use client::Client;
pub use demo::Demo;
pub use device::{ClientProfile, Curve, Key, RsProfile};
pub use grant::Grant;
pub use init::Init;
pub use request::Request;
pub use rs::Rs;
pub use serve::Serve;
pub use site::Site;
pub use token::Token;

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
