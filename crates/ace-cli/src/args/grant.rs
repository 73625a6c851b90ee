//! `ace grant`.

use clap::Args;

use super::Site;

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
