//! Records in flash, one page each.

use ace_oscore::storage::{Key, Storage};
use board::{
    embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _},
    flash::{Broken, Flash, PAGE},
};

/// A page for each key; its first word is the length.
#[derive(Debug)]
pub struct Records(pub Flash);

impl Storage for Records {
    type Error = Broken;

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Broken> {
        let page = key.0 % 16 * PAGE as u32;
        let mut length = [0; 4];
        self.0.read(page, &mut length)?;
        let length = u32::from_le_bytes(length);
        if length == u32::MAX {
            return Ok(None);
        }
        let out = out.get_mut(..length as usize).ok_or(Broken::Host)?;
        self.0.read(page + 4, out)?;
        Ok(Some(out.len()))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Broken> {
        let page = key.0 % 16 * PAGE as u32;
        self.0.erase(page, page + PAGE as u32)?;
        self.0.write(page, &(value.len() as u32).to_le_bytes())?;
        for (index, chunk) in value.chunks(4).enumerate() {
            let mut word = [0xff; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0.write(page + 4 + 4 * index as u32, &word)?;
        }
        Ok(())
    }
}
