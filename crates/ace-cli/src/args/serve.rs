//! `ace serve`.

use std::net::SocketAddr;

use clap::Args;

use super::Site;

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
