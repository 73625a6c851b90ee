//! `ace demo`.

use clap::Args;

use super::ClientProfile;

#[derive(Debug, Args)]
pub struct Demo {
    /// How requests are protected
    #[arg(long, value_name = "PROFILE", default_value = "coap_oscore")]
    pub profile: ClientProfile,
    /// One JSON object: ok, and steps with name, code, request_bytes, response_bytes and ms
    #[arg(long)]
    pub json: bool,
}
