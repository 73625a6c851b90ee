//! The CBOR maps of ACE-OAuth: token request and response (RFC 9200, 5.8), AS Request Creation
//! Hints (RFC 9200, 5.3), introspection (RFC 9200, 5.9), `/authz-info` of the OSCORE profile (RFC 9203, 4.1 and 4.2), the
//! confirmation values inside them (RFC 9201; RFC 8747, 3.1; RFC 9203, 3.2.1), and the token revocation list (RFC 9770).
//!
//! Fields have the names of the RFCs' parameters. Every type has `parse`, which reads one whole
//! payload, and `encode`, which writes into the caller's buffer and returns the length. Unknown
//! parameters are ignored (RFC 6749, 3.1 and 3.2); known ones of the wrong type, and any key
//! twice, refuse the payload.

mod authz_info;
mod cnf;
mod hints;
mod introspection;
mod numbers;
mod osc;
pub mod parameter;
mod request;
mod response;
mod scope;
#[cfg(test)]
mod tests;
mod trl;

pub use authz_info::{AuthzInfoRequest, AuthzInfoResponse};
pub use cnf::Confirmation;
pub use hints::AsRequestCreationHints;
pub use introspection::{IntrospectionRequest, IntrospectionResponse};
pub use numbers::{ErrorCode, GrantType, Profile};
pub use osc::OscoreInputMaterial;
pub use request::{ProfileRequest, TokenRequest};
pub use response::{AccessInformation, ErrorResponse};
pub use scope::Scope;
pub use trl::{
    Cursor, DiffEntries, DiffEntriesIter, DiffEntry, TokenHashes, TokenHashesIter, Trl, TrlError,
    TrlProblem, TrlSet,
};
