//! Records that survive a restart, in one file.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use ace_oscore::storage::{Key, Storage};

/// First bytes of the file.
const MAGIC: &[u8; 8] = b"acestat1";

/// A [`Storage`] in one file of mode 0600, held under an exclusive lock while it is open.
///
/// Every save writes the whole file anew beside the old one, makes it durable and renames it into place: a crash leaves
/// the old records or the new ones. The lock is on a second file, `NAME.lock`, because a rename would lose it: two
/// programs that go on from the same sequence numbers would use a nonce twice.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    records: BTreeMap<u32, Vec<u8>>,
    _lock: File,
}

impl FileStorage {
    /// Opens the file, or begins an empty one that is written with the first save.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another program has it open; [`io::ErrorKind::InvalidData`] if it is no file of
    /// this kind; what the system says otherwise.
    pub fn open(path: &Path) -> io::Result<Self> {
        let lock = private()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(path, "lock"))?;
        lock.try_lock().map_err(io::Error::from)?;
        let records = match File::open(path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                decode(&bytes).ok_or(io::ErrorKind::InvalidData)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            records,
            _lock: lock,
        })
    }

    /// Whether nothing was ever saved.
    pub fn is_new(&self) -> bool {
        self.records.is_empty()
    }

    fn write(&self) -> io::Result<()> {
        let temporary = beside(&self.path, "new");
        let mut file = private()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&temporary)?;
        file.write_all(&encode(&self.records))?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Storage for FileStorage {
    type Error = io::Error;

    fn load(&mut self, key: Key, out: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(record) = self.records.get(&key.0) else {
            return Ok(None);
        };
        out.get_mut(..record.len())
            .ok_or(io::ErrorKind::InvalidData)?
            .copy_from_slice(record);
        Ok(Some(record.len()))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> io::Result<()> {
        self.records.insert(key.0, value.to_vec());
        self.write()
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Key, length, bytes; big-endian, four bytes each for the numbers.
fn encode(records: &BTreeMap<u32, Vec<u8>>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (key, record) in records {
        bytes.extend(key.to_be_bytes());
        bytes.extend(
            u32::try_from(record.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        bytes.extend(record);
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<u32, Vec<u8>>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut records = BTreeMap::new();
    while !rest.is_empty() {
        let (key, tail) = rest.split_first_chunk()?;
        let (length, tail) = tail.split_first_chunk()?;
        let (record, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        records.insert(u32::from_be_bytes(*key), record.to_vec());
        rest = tail;
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_are_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("alice.state");
        let mut storage = FileStorage::open(&path).expect("new");
        assert!(storage.is_new());
        storage.save(Key(7), b"seven").expect("saved");
        storage.save(Key(1), b"").expect("saved");
        storage.save(Key(7), b"VII").expect("saved");
        drop(storage);
        let mut storage = FileStorage::open(&path).expect("there");
        let mut out = [0; 4];
        assert_eq!(storage.load(Key(7), &mut out).expect("loaded"), Some(3));
        assert_eq!(&out[..3], b"VII");
        assert_eq!(storage.load(Key(1), &mut out).expect("loaded"), Some(0));
        assert_eq!(storage.load(Key(2), &mut out).expect("loaded"), None);
        assert!(storage.load(Key(7), &mut out[..2]).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path)
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn two_programs_never_share_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state");
        let held = FileStorage::open(&path).expect("first");
        let error = FileStorage::open(&path).expect_err("locked");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(held);
        FileStorage::open(&path).expect("free again");
    }

    #[test]
    fn every_truncation_that_cuts_a_record_is_refused() {
        let records = BTreeMap::from([(1, vec![1; 9]), (2, vec![2; 3])]);
        let bytes = encode(&records);
        assert_eq!(decode(&bytes).as_ref(), Some(&records));
        let whole = [MAGIC.len(), MAGIC.len() + 8 + 9];
        for cut in 0..bytes.len() {
            assert_eq!(
                decode(&bytes[..cut]).is_some(),
                whole.contains(&cut),
                "{cut}"
            );
        }
    }
}
