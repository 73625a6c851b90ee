use core::fmt;
use core::ops::BitOr;

use crate::cbor::Error;
use crate::coap::Code;

/// REST-method-set: bit *n* is CoAP method *n* + 1, bit *n* + 32 its Dynamic form (RFC 9237, 3).
///
/// Shown, and parsed, as names separated by commas: `GET,PUT`, `POST,Dynamic-GET`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MethodSet(pub u64);

const NAMES: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"];
const DYNAMIC: &str = "Dynamic-";
const DYNAMIC_OFFSET: u32 = 32;

impl MethodSet {
    /// No method.
    pub const EMPTY: Self = Self(0);
    /// GET.
    pub const GET: Self = Self(1);
    /// POST.
    pub const POST: Self = Self(1 << 1);
    /// PUT.
    pub const PUT: Self = Self(1 << 2);
    /// DELETE.
    pub const DELETE: Self = Self(1 << 3);
    /// FETCH.
    pub const FETCH: Self = Self(1 << 4);
    /// PATCH.
    pub const PATCH: Self = Self(1 << 5);
    /// iPATCH.
    pub const IPATCH: Self = Self(1 << 6);

    /// The set of this one method; empty if `code` is not a method.
    #[must_use]
    pub const fn of(code: Code) -> Self {
        if !code.is_request() {
            return Self::EMPTY;
        }
        match 1u64.checked_shl(code.0 as u32 - 1) {
            Some(bit) => Self(bit),
            None => Self::EMPTY,
        }
    }

    /// Whether the method `code` is in the set (not as Dynamic).
    #[must_use]
    pub const fn contains(self, code: Code) -> bool {
        self.0 & Self::of(code).0 != 0
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no method is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods allowed on resources the subject created here (RFC 9237, 2.3), as plain methods.
    #[must_use]
    pub const fn dynamic(self) -> Self {
        Self(self.0 >> DYNAMIC_OFFSET)
    }

    /// Reads names separated by commas, as RFC 9237 writes them.
    ///
    /// # Errors
    /// [`Error::UnknownMethod`].
    pub fn parse(names: &str) -> Result<Self, Error> {
        names.split(',').try_fold(Self::EMPTY, |set, name| {
            let name = name.trim();
            let (name, offset) = match name.strip_prefix(DYNAMIC) {
                Some(name) => (name, DYNAMIC_OFFSET),
                None => (name, 0),
            };
            let bit = (0u32..).zip(NAMES).find(|(_, known)| *known == name);
            let (bit, _) = bit.ok_or(Error::UnknownMethod)?;
            Ok(set | Self(1 << (bit + offset)))
        })
    }
}

impl BitOr for MethodSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for bit in (0..u64::BITS).filter(|bit| self.0 >> bit & 1 == 1) {
            f.write_str(separator)?;
            separator = ",";
            if bit >= DYNAMIC_OFFSET {
                f.write_str(DYNAMIC)?;
            }
            let method = bit % DYNAMIC_OFFSET;
            match NAMES.get(method as usize) {
                Some(name) => f.write_str(name)?,
                // A method registered after this crate was written.
                None => write!(f, "0.{:02}", method + 1)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MethodSet({self})")
    }
}
