//! CBOR in diagnostic notation (RFC 8949, 8), with the names of ACE, CWT and COSE as comments.
//!
//! Any bytes can be shown: what is not well-formed ends with a comment that says where. `{:#}` puts
//! every map entry on its own line.
//!
//! ```
//! use ace_wire::diag::{Context, Diagnostic};
//!
//! let cbor = [0xa2, 0x03, 0x66, b't', b'h', b'e', b'r', b'm', b'o', 0x08, 0xa1, 0x04, 0xa1, 0x02,
//!     0x42, 0xca, 0xfe];
//! assert_eq!(
//!     Diagnostic::new(&cbor).to_string(),
//!     r#"{3: "thermo", 8: {4: {2: h'cafe'}}}"#,
//! );
//! assert_eq!(
//!     Diagnostic::new(&cbor).context(Context::ClaimsSet).redacted().to_string(),
//!     r#"{/ aud / 3: "thermo", / cnf / 8: {/ osc / 4: {/ ms / 2: (secret, 2 bytes)}}}"#,
//! );
//! ```

mod names;
mod printer;
#[cfg(test)]
mod tests;

use core::fmt;

use names::Meaning;
use printer::Printer;

/// Deepest nesting of arrays, maps, tags and embedded CBOR that is shown.
pub const MAX_DEPTH: u8 = 16;

/// What the outermost item is: decides the names of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Context {
    /// Unknown: no names.
    #[default]
    Plain,
    /// Token request or response, error response, `/authz-info` (RFC 9200, Table 5; RFC 9201;
    /// RFC 9203).
    Parameters,
    /// AS Request Creation Hints (RFC 9200, Table 1).
    Hints,
    /// Introspection request or response (RFC 9200, Table 6).
    Introspection,
    /// CWT Claims Set (RFC 8392, RFC 9200).
    ClaimsSet,
    /// COSE_Encrypt0, COSE_Mac0 or COSE_Sign1, tagged or not, such as an access token.
    Cose,
    /// COSE header map (RFC 9052, 3).
    Header,
    /// COSE_Key (RFC 9052, 7).
    CoseKey,
    /// The value of `cnf`, `req_cnf`, `rs_cnf` (RFC 8747, 3.1).
    Confirmation,
    /// OSCORE_Input_Material (RFC 9203, 3.2.1).
    OscoreInputMaterial,
    /// AIF-REST (RFC 9237).
    Aif,
}

/// CBOR bytes to be shown by [`fmt::Display`].
#[derive(Clone, Copy)]
pub struct Diagnostic<'a> {
    bytes: &'a [u8],
    context: Context,
    redacted: bool,
}

impl<'a> Diagnostic<'a> {
    /// Shows one item, or a sequence of them separated by commas, without names.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            context: Context::Plain,
            redacted: false,
        }
    }

    /// Adds the names of known keys and values as comments, and shows the CBOR inside the byte
    /// strings that are known to hold some as `<<…>>`.
    #[must_use]
    pub const fn context(self, context: Context) -> Self {
        Self { context, ..self }
    }

    /// Shows of secrets the length alone: `k` and `d` of keys, `ms`, `client_secret`, `password`,
    /// `code`, `refresh_token`; and of access tokens and token payloads that cannot be read
    /// further. What is secret is known by the context: without one nothing is hidden.
    #[must_use]
    pub const fn redacted(self) -> Self {
        Self {
            redacted: true,
            ..self
        }
    }
}

impl fmt::Display for Diagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pretty = f.alternate();
        Printer::new(self.bytes, f, pretty, self.redacted).sequence(Meaning::of(self.context))
    }
}

impl fmt::Debug for Diagnostic<'_> {
    /// Without the bytes, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Diagnostic({:?}, {} bytes)",
            self.context,
            self.bytes.len()
        )
    }
}
