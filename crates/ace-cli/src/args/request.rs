//! `ace request`.

use std::path::PathBuf;

use clap::Args;

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
