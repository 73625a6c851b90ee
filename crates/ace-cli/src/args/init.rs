//! `ace init`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

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
