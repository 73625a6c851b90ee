//! The claims of a token to be issued, owned; secrets are wiped on drop and not shown by `Debug`.

use alloc::{string::String, vec::Vec};
use core::fmt;

use ace_crypto::VerifyingKey;
use ace_wire::{
    ace::{Confirmation, parameter},
    cose::{self, KeyType, algorithm_number, key_label},
    cwt::claim,
};
use ciborium::Value;
use zeroize::{Zeroize, Zeroizing};

use super::IssueError;

/// A CWT Claims Set (RFC 8392, 3; RFC 8747; RFC 9200, 8.14).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Issuer.
    pub iss: Option<String>,
    /// Subject.
    pub sub: Option<String>,
    /// Audience: one is written as text, several as an array, none not at all.
    pub aud: Vec<String>,
    /// Expiration time, seconds since 1970.
    pub exp: Option<u64>,
    /// Not before, seconds since 1970.
    pub nbf: Option<u64>,
    /// Issued at, seconds since 1970.
    pub iat: Option<u64>,
    /// CWT ID.
    pub cti: Option<Vec<u8>>,
    /// The proof-of-possession key.
    pub cnf: Option<Cnf>,
    /// Scope.
    pub scope: Option<Scope>,
    /// Profile number.
    pub ace_profile: Option<i64>,
    /// Client-nonce.
    pub cnonce: Option<Vec<u8>>,
    /// Lifetime in seconds from the first sight of the token; `cti` then holds the resource server's identifier and a
    /// sequence number (RFC 9200, 5.10.3).
    pub exi: Option<u64>,
}

/// Scope as text or as bytes such as AIF (RFC 9237).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Scope tokens separated by spaces.
    Text(String),
    /// An encoded scope.
    Bytes(Vec<u8>),
}

/// The proof-of-possession key of a token (RFC 8747, 3.1; RFC 9203, 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cnf {
    /// A symmetric or public key.
    CoseKey(CoseKey),
    /// The identifier of a key the resource server has.
    Kid(Vec<u8>),
    /// OSCORE input material.
    Osc(OscoreInputMaterial),
}

/// A key a client proves to possess.
#[derive(Clone, PartialEq, Eq)]
pub enum CoseKey {
    /// Symmetric.
    Symmetric {
        /// Key identifier.
        kid: Option<Vec<u8>>,
        /// The one algorithm it is for.
        alg: Option<i64>,
        /// The key.
        k: Zeroizing<Vec<u8>>,
    },
    /// A symmetric key that the resource server derives from the token (RFC 9202, 3.3.1): type and identifier alone.
    Derived {
        /// Key identifier.
        kid: Vec<u8>,
    },
    /// A point on a NIST curve.
    Ec2 {
        /// Key identifier.
        kid: Option<Vec<u8>>,
        /// The one algorithm it is for.
        alg: Option<i64>,
        /// The curve, see [`ace_wire::cose::curve`].
        crv: i64,
        /// x coordinate.
        x: Vec<u8>,
        /// y coordinate.
        y: Y,
    },
    /// An octet key pair, its public half.
    Okp {
        /// Key identifier.
        kid: Option<Vec<u8>>,
        /// The one algorithm it is for.
        alg: Option<i64>,
        /// The curve, see [`ace_wire::cose::curve`].
        crv: i64,
        /// Public key.
        x: Vec<u8>,
    },
}

/// y of an EC2 key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Y {
    /// The coordinate.
    Bytes(Vec<u8>),
    /// The sign bit of a compressed point.
    Sign(bool),
}

/// OSCORE_Input_Material (RFC 9203, 3.2.1). `None` stands for the RFC's default, and is left out of the token.
#[derive(Clone, PartialEq, Eq)]
pub struct OscoreInputMaterial {
    /// Identifier of the input material.
    pub id: Vec<u8>,
    /// OSCORE version.
    pub version: Option<u64>,
    /// Master Secret.
    pub ms: Zeroizing<Vec<u8>>,
    /// HKDF by COSE number.
    pub hkdf: Option<i64>,
    /// AEAD by COSE number.
    pub alg: Option<i64>,
    /// Input salt.
    pub salt: Option<Vec<u8>>,
    /// ID Context.
    pub context_id: Option<Vec<u8>>,
}

impl Claims {
    /// The claims set in CBOR, keys in ascending order.
    ///
    /// # Errors
    /// [`IssueError::Encoding`].
    pub fn to_cbor(&self) -> Result<Zeroizing<Vec<u8>>, IssueError> {
        let mut map = Map::default();
        map.put(claim::ISS, self.iss.clone());
        map.put(claim::SUB, self.sub.clone());
        match self.aud.as_slice() {
            [] => {}
            [one] => map.put(claim::AUD, Some(one.clone())),
            many => {
                let many = many.iter().cloned().map(Value::Text).collect();
                map.put(claim::AUD, Some(Value::Array(many)));
            }
        }
        map.put(claim::EXP, self.exp);
        map.put(claim::NBF, self.nbf);
        map.put(claim::IAT, self.iat);
        map.put(claim::CTI, self.cti.clone().map(Value::Bytes));
        map.put(claim::CNF, self.cnf.as_ref().map(Cnf::value));
        map.put(
            claim::SCOPE,
            self.scope.clone().map(|scope| match scope {
                Scope::Text(text) => Value::Text(text),
                Scope::Bytes(bytes) => Value::Bytes(bytes),
            }),
        );
        map.put(claim::ACE_PROFILE, self.ace_profile);
        map.put(claim::CNONCE, self.cnonce.clone().map(Value::Bytes));
        map.put(claim::EXI, self.exi);

        let mut value = map.value();
        // Room from the start: a vector that grew would leave copies of the keys behind.
        let mut cbor = Zeroizing::new(Vec::with_capacity(bound(&value)));
        let written = ciborium::into_writer(&value, &mut *cbor);
        wipe(&mut value);
        written.map(|()| cbor).map_err(|_| IssueError::Encoding)
    }
}

impl Cnf {
    /// Whether it must not be read by others than the resource server.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(
            self,
            Self::CoseKey(CoseKey::Symmetric { .. }) | Self::Osc(_)
        )
    }

    fn value(&self) -> Value {
        let mut map = Map::default();
        match self {
            Self::CoseKey(key) => map.put(parameter::cnf::COSE_KEY, Some(key.value())),
            Self::Kid(kid) => map.put(parameter::cnf::KID, Some(Value::Bytes(kid.clone()))),
            Self::Osc(material) => map.put(parameter::cnf::OSC, Some(material.value())),
        }
        map.value()
    }
}

impl CoseKey {
    /// A public key, under this identifier.
    #[must_use]
    pub fn public(key: &VerifyingKey, kid: Option<&[u8]>) -> Self {
        let (kid, alg, x) = (kid.map(<[u8]>::to_vec), None, key.x().to_vec());
        match key.y() {
            Some(y) => Self::Ec2 {
                kid,
                alg,
                crv: cose::curve::P_256,
                x,
                y: Y::Bytes(y.to_vec()),
            },
            None => Self::Okp {
                kid,
                alg,
                crv: cose::curve::ED25519,
                x,
            },
        }
    }

    fn value(&self) -> Value {
        let (kty, kid, alg) = match self {
            Self::Symmetric { kid, alg, .. } => (KeyType::Symmetric, kid.as_ref(), *alg),
            Self::Derived { kid } => (KeyType::Symmetric, Some(kid), None),
            Self::Ec2 { kid, alg, .. } => (KeyType::Ec2, kid.as_ref(), *alg),
            Self::Okp { kid, alg, .. } => (KeyType::Okp, kid.as_ref(), *alg),
        };
        let mut map = Map::default();
        map.put(key_label::KTY, Some(kty.number()));
        map.put(key_label::KID, kid.cloned().map(Value::Bytes));
        map.put(key_label::ALG, alg);
        match self {
            Self::Derived { .. } => {}
            Self::Symmetric { k, .. } => map.put(key_label::K, Some(Value::Bytes(k.to_vec()))),
            Self::Ec2 { crv, x, y, .. } => {
                map.put(key_label::CRV, Some(*crv));
                map.put(key_label::X, Some(Value::Bytes(x.clone())));
                let y = match y {
                    Y::Bytes(y) => Value::Bytes(y.clone()),
                    Y::Sign(sign) => Value::Bool(*sign),
                };
                map.put(key_label::Y, Some(y));
            }
            Self::Okp { crv, x, .. } => {
                map.put(key_label::CRV, Some(*crv));
                map.put(key_label::X, Some(Value::Bytes(x.clone())));
            }
        }
        map.value()
    }
}

impl OscoreInputMaterial {
    fn value(&self) -> Value {
        use parameter::osc;
        let mut map = Map::default();
        map.put(osc::ID, Some(Value::Bytes(self.id.clone())));
        map.put(osc::VERSION, self.version);
        map.put(osc::MS, Some(Value::Bytes(self.ms.to_vec())));
        map.put(osc::HKDF, self.hkdf);
        map.put(osc::ALG, self.alg);
        map.put(osc::SALT, self.salt.clone().map(Value::Bytes));
        map.put(osc::CONTEXT_ID, self.context_id.clone().map(Value::Bytes));
        map.value()
    }
}

/// A key that a client brought in `req_cnf`, to be put into its token.
impl TryFrom<&Confirmation<'_>> for Cnf {
    type Error = IssueError;

    fn try_from(confirmation: &Confirmation<'_>) -> Result<Self, IssueError> {
        match confirmation {
            Confirmation::CoseKey(key) => CoseKey::try_from(key).map(Self::CoseKey),
            Confirmation::Kid(kid) => Ok(Self::Kid(kid.to_vec())),
            Confirmation::Osc(material) => {
                if material.unknown {
                    return Err(IssueError::UnsupportedConfirmation);
                }
                let missing = IssueError::UnsupportedConfirmation;
                Ok(Self::Osc(OscoreInputMaterial {
                    id: material.id.ok_or(missing)?.to_vec(),
                    version: material.version,
                    ms: Zeroizing::new(material.ms.ok_or(missing)?.to_vec()),
                    hkdf: material.hkdf.map(number).transpose()?,
                    alg: material.alg.map(number).transpose()?,
                    salt: material.salt.map(<[u8]>::to_vec),
                    context_id: material.context_id.map(<[u8]>::to_vec),
                }))
            }
            Confirmation::EncryptedCoseKey(_) => Err(IssueError::UnsupportedConfirmation),
        }
    }
}

impl TryFrom<&cose::CoseKey<'_>> for CoseKey {
    type Error = IssueError;

    /// Takes what identifies the key; `key_ops` and `Base IV` are left behind.
    fn try_from(key: &cose::CoseKey<'_>) -> Result<Self, IssueError> {
        let kid = key.kid.map(<[u8]>::to_vec);
        let alg = key.alg.map(number).transpose()?;
        match *key {
            cose::CoseKey { d: Some(_), .. } => Err(IssueError::UnsupportedConfirmation),
            cose::CoseKey {
                kty: KeyType::Symmetric,
                k: Some(k),
                ..
            } => Ok(Self::Symmetric {
                kid,
                alg,
                k: Zeroizing::new(k.to_vec()),
            }),
            cose::CoseKey {
                kty: KeyType::Symmetric,
                kid: Some(kid),
                alg: None,
                ..
            } => Ok(Self::Derived { kid: kid.to_vec() }),
            cose::CoseKey {
                kty: KeyType::Ec2,
                crv: Some(crv),
                x: Some(x),
                y: Some(y),
                ..
            } => Ok(Self::Ec2 {
                kid,
                alg,
                crv,
                x: x.to_vec(),
                y: match y {
                    cose::Y::Bytes(y) => Y::Bytes(y.to_vec()),
                    cose::Y::Sign(sign) => Y::Sign(sign),
                },
            }),
            cose::CoseKey {
                kty: KeyType::Okp,
                crv: Some(crv),
                x: Some(x),
                ..
            } => Ok(Self::Okp {
                kid,
                alg,
                crv,
                x: x.to_vec(),
            }),
            _ => Err(IssueError::UnsupportedConfirmation),
        }
    }
}

fn number(algorithm: cose::AlgId<'_>) -> Result<i64, IssueError> {
    algorithm_number(algorithm).ok_or(IssueError::UnsupportedConfirmation)
}

impl fmt::Debug for CoseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symmetric { kid, alg, .. } => {
                write!(f, "Symmetric {{ kid: {kid:?}, alg: {alg:?}, k: .. }}")
            }
            Self::Derived { kid } => write!(f, "Derived {{ kid: {kid:?} }}"),
            Self::Ec2 { kid, crv, x, .. } => {
                write!(f, "Ec2 {{ kid: {kid:?}, crv: {crv}, x: {x:?}, .. }}")
            }
            Self::Okp { kid, crv, x, .. } => {
                write!(f, "Okp {{ kid: {kid:?}, crv: {crv}, x: {x:?}, .. }}")
            }
        }
    }
}

impl fmt::Debug for OscoreInputMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OscoreInputMaterial")
            .field("id", &self.id)
            .field("hkdf", &self.hkdf)
            .field("alg", &self.alg)
            .field("context_id", &self.context_id)
            .finish_non_exhaustive()
    }
}

/// A CBOR map under construction; entries without a value stay out.
#[derive(Default)]
struct Map(Vec<(Value, Value)>);

impl Map {
    fn put(&mut self, key: i64, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.push((key.into(), value.into()));
        }
    }

    fn value(self) -> Value {
        Value::Map(self.0)
    }
}

/// Zeroizes every byte string in the tree.
fn wipe(value: &mut Value) {
    match value {
        Value::Bytes(bytes) => bytes.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| wipe(value)),
        _ => {}
    }
}

/// No fewer bytes than the tree takes in CBOR: a head has at most nine.
fn bound(value: &Value) -> usize {
    9 + match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        Value::Array(items) => items.iter().map(bound).sum(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| bound(key) + bound(value))
            .sum(),
        _ => 0,
    }
}
