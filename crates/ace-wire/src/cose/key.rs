use core::fmt;

use super::key_label as label;
use crate::cbor::{Error, Kind, Label, Reader, Writer, count};
use crate::hidden::Hidden;

/// Elliptic curves (RFC 9053, Table 18), values of `crv`.
pub mod curve {
    /// NIST P-256, EC2.
    pub const P_256: i64 = 1;
    /// NIST P-384, EC2.
    pub const P_384: i64 = 2;
    /// NIST P-521, EC2.
    pub const P_521: i64 = 3;
    /// X25519 for ECDH, OKP.
    pub const X25519: i64 = 4;
    /// X448 for ECDH, OKP.
    pub const X448: i64 = 5;
    /// Ed25519 for EdDSA, OKP.
    pub const ED25519: i64 = 6;
    /// Ed448 for EdDSA, OKP.
    pub const ED448: i64 = 7;
}

/// `kty` (RFC 9053, Table 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// 1, octet key pair.
    Okp,
    /// 2, elliptic curve with x and y.
    Ec2,
    /// 4.
    Symmetric,
    /// A type this crate does not know: only the common parameters are read.
    Other(i64),
}

impl KeyType {
    /// The type with this number.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Okp,
            2 => Self::Ec2,
            4 => Self::Symmetric,
            other => Self::Other(other),
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Okp => 1,
            Self::Ec2 => 2,
            Self::Symmetric => 4,
            Self::Other(other) => other,
        }
    }
}

/// `y` of an EC2 key (RFC 9053, 7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Y<'a> {
    /// The coordinate.
    Bytes(&'a [u8]),
    /// The sign bit of a compressed point.
    Sign(bool),
}

/// `key_ops`: a checked, non-empty array of operations, as CBOR.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyOps<'a>(&'a [u8]);

impl<'a> KeyOps<'a> {
    /// Takes the CBOR of an array of operations.
    ///
    /// # Errors
    /// [`Error::WrongType`] unless it is a non-empty array of integers and text strings.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let ops = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(ops)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut look = reader.clone();
        let elements = look.array(|_, element| element.label().map(drop))?;
        // RFC 9052, 7: [+ (tstr / int)]
        if elements == 0 {
            return Err(Error::WrongType);
        }
        reader.skip().map(Self)
    }

    /// Whether the operation is named (RFC 9052, Table 5: sign 1, verify 2, encrypt 3, decrypt 4,
    /// derive key 7, derive bits 8, MAC create 9, MAC verify 10).
    #[must_use]
    pub fn contains(&self, operation: i64) -> bool {
        let mut found = false;
        // Checked when made: reading it again cannot fail.
        let _ = Reader::new(self.0).array(|_, element| {
            found |= element.label()? == Label::Int(operation);
            Ok(())
        });
        found
    }

    /// The array as CBOR.
    #[must_use]
    pub fn as_cbor(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for KeyOps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        let _ = Reader::new(self.0).array(|_, element| {
            list.entry(&element.label()?);
            Ok(())
        });
        list.finish()
    }
}

/// A COSE_Key (RFC 9052, 7; RFC 9053, 7). `Debug` does not show `k` and `d`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CoseKey<'a> {
    /// Key type.
    pub kty: KeyType,
    /// Key identifier.
    pub kid: Option<&'a [u8]>,
    /// The one algorithm the key is for.
    pub alg: Option<Label<'a>>,
    /// The operations the key is for.
    pub key_ops: Option<KeyOps<'a>>,
    /// Base IV.
    pub base_iv: Option<&'a [u8]>,
    /// Curve of OKP and EC2 keys, see [`curve`].
    pub crv: Option<i64>,
    /// Public key of OKP, x coordinate of EC2.
    pub x: Option<&'a [u8]>,
    /// y coordinate of EC2.
    pub y: Option<Y<'a>>,
    /// Private key of OKP and EC2.
    pub d: Option<&'a [u8]>,
    /// Key value of symmetric keys.
    pub k: Option<&'a [u8]>,
}

impl<'a> CoseKey<'a> {
    /// A key of this type with nothing else set.
    #[must_use]
    pub const fn new(kty: KeyType) -> Self {
        Self {
            kty,
            kid: None,
            alg: None,
            key_ops: None,
            base_iv: None,
            crv: None,
            x: None,
            y: None,
            d: None,
            k: None,
        }
    }

    /// Reads one COSE_Key and nothing else. Unknown labels are ignored.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without `kty`; [`Error::IncompleteKey`] if the key type's own
    /// parameters are not all there; malformed CBOR, a duplicate label, a value of the wrong type,
    /// trailing bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let key = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(key)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        // What -1 to -4 mean depends on kty, which may stand behind them.
        let mut kty = None;
        reader.clone().map(|key, value| {
            if key == Label::Int(label::KTY) {
                kty = Some(KeyType::from_number(value.int()?));
                return Ok(());
            }
            value.skip().map(drop)
        })?;
        let mut found = Self::new(kty.ok_or(Error::MissingParameter)?);
        reader.map(|key, value| found.read_entry(key, value))?;
        if found.is_complete() {
            Ok(found)
        } else {
            Err(Error::IncompleteKey)
        }
    }

    fn read_entry(&mut self, key: Label<'a>, value: &mut Reader<'a>) -> Result<(), Error> {
        let Label::Int(key) = key else {
            return value.skip().map(drop);
        };
        match (key, self.kty) {
            (label::KID, _) => self.kid = Some(value.bytes()?),
            (label::ALG, _) => self.alg = Some(value.label()?),
            (label::KEY_OPS, _) => self.key_ops = Some(KeyOps::read(value)?),
            (label::BASE_IV, _) => self.base_iv = Some(value.bytes()?),
            (label::K, KeyType::Symmetric) => self.k = Some(value.bytes()?),
            (label::CRV, KeyType::Okp | KeyType::Ec2) => self.crv = Some(value.int()?),
            (label::X, KeyType::Okp | KeyType::Ec2) => self.x = Some(value.bytes()?),
            (label::Y, KeyType::Ec2) => {
                self.y = Some(match value.kind()? {
                    Kind::Bool => Y::Sign(value.bool()?),
                    _ => Y::Bytes(value.bytes()?),
                });
            }
            (label::D, KeyType::Okp | KeyType::Ec2) => self.d = Some(value.bytes()?),
            _ => drop(value.skip()?),
        }
        Ok(())
    }

    /// RFC 9053, 7.1.1, 7.2 and 7.3: what each type must have. A private key may leave its public
    /// key to be computed.
    fn is_complete(&self) -> bool {
        match self.kty {
            KeyType::Okp => self.crv.is_some() && (self.x.is_some() || self.d.is_some()),
            KeyType::Ec2 => {
                let point = self.x.is_some() && self.y.is_some();
                let private = self.d.is_some() && self.x.is_none() && self.y.is_none();
                self.crv.is_some() && (point || private)
            }
            // RFC 9202, 3.3.1 and 3.3.2: a key that the reader knows or derives has a name alone.
            KeyType::Symmetric => self.k.is_some() || self.kid.is_some(),
            KeyType::Other(_) => true,
        }
    }

    /// Writes the map; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        self.write(&mut writer)?;
        Ok(writer.finish())
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        writer.map(count(&[
            true,
            self.kid.is_some(),
            self.alg.is_some(),
            self.key_ops.is_some(),
            self.base_iv.is_some(),
            self.crv.is_some(),
            self.k.is_some(),
            self.x.is_some(),
            self.y.is_some(),
            self.d.is_some(),
        ]))?;
        writer.int_entry(label::KTY, Some(self.kty.number()))?;
        writer.bytes_entry(label::KID, self.kid)?;
        writer.label_entry(label::ALG, self.alg)?;
        if let Some(ops) = self.key_ops {
            writer.int(label::KEY_OPS)?;
            writer.raw(ops.0)?;
        }
        writer.bytes_entry(label::BASE_IV, self.base_iv)?;
        writer.int_entry(label::CRV, self.crv)?;
        writer.bytes_entry(label::K, self.k)?;
        writer.bytes_entry(label::X, self.x)?;
        match self.y {
            None => {}
            Some(Y::Bytes(y)) => writer.bytes_entry(label::Y, Some(y))?,
            Some(Y::Sign(sign)) => {
                writer.int(label::Y)?;
                writer.bool(sign)?;
            }
        }
        writer.bytes_entry(label::D, self.d)
    }
}

impl fmt::Debug for CoseKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoseKey")
            .field("kty", &self.kty)
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .field("key_ops", &self.key_ops)
            .field("base_iv", &self.base_iv)
            .field("crv", &self.crv)
            .field("x", &self.x)
            .field("y", &self.y)
            .field("d", &self.d.map(Hidden))
            .field("k", &self.k.map(Hidden))
            .finish()
    }
}
