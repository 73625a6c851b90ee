//! `ctx.json`: the input of a security context, as in a bundle's `oscore` object, and its sequence numbers.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use ace_crypto::{Aead, Hkdf};
use ace_oscore::{
    Parameters, SecurityContext,
    storage::{self, Key, Storage},
};
use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};

/// Byte strings in hex; ids from the side of whoever reads the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub master_secret: String,
    pub master_salt: String,
    pub sender_id: String,
    pub recipient_id: String,
    pub id_context: Option<String>,
    pub alg: i64,
    pub hkdf: i64,
}

/// The same, decoded.
pub struct Input {
    master_secret: Vec<u8>,
    master_salt: Vec<u8>,
    sender_id: Vec<u8>,
    recipient_id: Vec<u8>,
    id_context: Option<Vec<u8>>,
    aead: Aead,
    hkdf: Hkdf,
}

impl Keys {
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
    }

    pub fn decode(&self) -> Result<Input> {
        Ok(Input {
            master_secret: hex::decode(&self.master_secret)?,
            master_salt: hex::decode(&self.master_salt)?,
            sender_id: hex::decode(&self.sender_id)?,
            recipient_id: hex::decode(&self.recipient_id)?,
            id_context: self.id_context.as_ref().map(hex::decode).transpose()?,
            aead: Aead::from_cose(self.alg).ok_or_else(|| anyhow!("AEAD {}", self.alg))?,
            hkdf: Hkdf::from_cose(self.hkdf).ok_or_else(|| anyhow!("HKDF {}", self.hkdf))?,
        })
    }
}

impl Input {
    pub fn parameters(&self) -> Parameters<'_> {
        Parameters {
            master_secret: &self.master_secret,
            master_salt: &self.master_salt,
            sender_id: &self.sender_id,
            recipient_id: &self.recipient_id,
            id_context: self.id_context.as_deref(),
            aead: self.aead,
            hkdf: self.hkdf,
        }
    }

    /// The context, without a sequence number to send with.
    pub fn context(&self) -> Result<SecurityContext> {
        Ok(SecurityContext::derive(&self.parameters())?)
    }
}

/// Sequence numbers reserved per write.
const BLOCK: u64 = 64;
/// The one record of a [`Sequence`].
const RECORD: Key = Key(0);

/// A file beside `ctx.json` that keeps what may have been sent with it (RFC 8613, B.1.1).
pub struct Sequence(PathBuf);

impl Sequence {
    pub fn beside(context: &Path) -> Self {
        Self(context.with_extension("sequence"))
    }

    pub fn restore(&mut self, context: &mut SecurityContext) -> Result<()> {
        storage::restore(context, self, RECORD, BLOCK).map_err(|error| anyhow!("{error:?}"))
    }

    /// Called before every message sent.
    pub fn keep_up(&mut self, context: &mut SecurityContext) -> Result<()> {
        if context.needs_reservation(4) {
            storage::reserve(context, self, RECORD, BLOCK).map_err(|error| anyhow!("{error:?}"))?;
        }
        Ok(())
    }
}

impl Storage for Sequence {
    type Error = std::io::Error;

    fn load(&mut self, _: Key, out: &mut [u8]) -> Result<Option<usize>, Self::Error> {
        match fs::read(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(record) => {
                let room = out.get_mut(..record.len()).ok_or(ErrorKind::InvalidData)?;
                room.copy_from_slice(&record);
                Ok(Some(record.len()))
            }
        }
    }

    fn save(&mut self, _: Key, value: &[u8]) -> Result<(), Self::Error> {
        let new = self.0.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(value)?;
        file.sync_all()?;
        fs::rename(new, &self.0)
    }
}
