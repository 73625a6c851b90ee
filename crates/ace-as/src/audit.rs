//! One log event per decision: who asked for what and what became of it. Never a key.

use crate::token::Refusal;

/// What is known of a decision so far. Text that came from the client is logged quoted.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    pub client: Option<&'a str>,
    pub audience: Option<String>,
    pub rs: Option<String>,
    pub asked: Option<String>,
    pub granted: Option<String>,
    pub profile: Option<&'static str>,
    /// Rights of an existing association are changed (RFC 9202, 4; RFC 9203, 3.1).
    pub update: bool,
}

impl Event<'_> {
    /// Logs the decision; `outcome` is the token's `cti` or why there is none.
    pub fn emit(&self, outcome: Result<&[u8], &Refusal>) {
        let Self {
            client,
            audience,
            rs,
            asked,
            granted,
            profile,
            update,
        } = self;
        let profile = profile.unwrap_or("-");
        let (client, rs) = (client.unwrap_or("-"), rs.as_deref().unwrap_or("-"));
        match outcome {
            Ok(cti) => {
                let cti = hex::encode(cti);
                tracing::info!(target: "ace_as::audit", client, rs, ?audience, ?asked, ?granted, profile, update, cti, "token issued");
            }
            Err(refusal) => {
                let error = refusal
                    .error()
                    .and_then(ace_wire::ace::ErrorCode::name)
                    .unwrap_or("-");
                let (code, reason) = (refusal.code(), refusal.reason());
                tracing::warn!(target: "ace_as::audit", client, rs, ?audience, ?asked, %code, error, reason, "token refused");
            }
        }
    }
}
