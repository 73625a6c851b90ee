//! The file beside a bundle that must survive a restart: tokens and sequence numbers.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ace_net::FileStorage;
use ace_oscore::{
    SEQUENCE_LIMIT,
    storage::{Key, Storage},
};

use crate::failure::Failure;

/// Where [`ace_client`] keeps the sequence numbers of the context with the authorization server, by default.
const SEQUENCE_NUMBERS: Key = Key(0);

/// 2024-01-01T00:00Z.
const EPOCH: Duration = Duration::from_secs(1_704_067_200);

/// Sequence numbers set aside for each second. 2^40 of them last for 544 years.
const NUMBERS_PER_SECOND: u128 = 64;

/// `alice.json` gives `alice.json.state`.
pub fn beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

/// Opens the state of a client, or begins a new one.
///
/// A new one does not begin at number 0: the bundle may have been used before, and its state lost, or left behind where
/// it was copied from. It begins at a number that the clock gives, which is above every number used before as long as
/// the clock goes forward and fewer than 64 numbers a second were used. (A run uses one, or one for each token request.)
/// The authorization server takes the leap for messages lost on the way (RFC 8613, 7.4).
pub fn open_client(path: &Path) -> Result<FileStorage, Failure> {
    let damaged = || {
        let advice = "delete it: the next request makes a new one";
        Failure::setup(format!("{} is damaged; {advice}", path.display()))
    };
    let mut storage = open(path).map_err(|why| match why {
        Unopened::Damaged => damaged(),
        other => other.failure(path),
    })?;
    let mut record = [0; 8];
    match storage.load(SEQUENCE_NUMBERS, &mut record) {
        Ok(Some(8)) if u64::from_be_bytes(record) <= SEQUENCE_LIMIT => {}
        Ok(None) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let first = now.ok().and_then(first_number).ok_or_else(|| {
                Failure::setup(format!(
                    "the clock of this machine stands before 2024, and {} must begin at a number above those used \
                     before; set the clock",
                    path.display()
                ))
            })?;
            let saved = storage.save(SEQUENCE_NUMBERS, &first.to_be_bytes());
            saved.map_err(|error| Failure::file("write", path, &error))?;
        }
        _ => return Err(damaged()),
    }
    Ok(storage)
}

/// Opens the state of a resource server: the highest `exi` number seen (RFC 9200, 5.10.3).
pub fn open_rs(path: &Path) -> Result<FileStorage, Failure> {
    open(path).map_err(|why| match why {
        Unopened::Damaged => Failure::setup(damaged_rs(path)),
        other => other.failure(path),
    })
}

/// The sentence about a damaged state of a resource server.
pub fn damaged_rs(path: &Path) -> String {
    format!(
        "{} is damaged, so that tokens used up cannot be told; delete it, and register the resource server anew with \
         `ace rs remove` and `ace rs add`",
        path.display()
    )
}

/// Why a state file could not be opened.
enum Unopened {
    InUse,
    Damaged,
    System(std::io::Error),
}

fn open(path: &Path) -> Result<FileStorage, Unopened> {
    FileStorage::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Unopened::InUse,
        std::io::ErrorKind::InvalidData => Unopened::Damaged,
        _ => Unopened::System(error),
    })
}

impl Unopened {
    fn failure(self, path: &Path) -> Failure {
        match self {
            Self::System(error) => Failure::file("open", path, &error),
            _ => Failure::setup(format!(
                "{} is in use by another ace; wait for it to end, or take another bundle",
                path.display()
            )),
        }
    }
}

/// The sequence number a new state begins at, `now` since 1970; `None` before 2024.
fn first_number(now: Duration) -> Option<u64> {
    let elapsed = now.checked_sub(EPOCH)?;
    u64::try_from(elapsed.as_millis() * NUMBERS_PER_SECOND / 1000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(path: &Path) -> u64 {
        let mut record = [0; 8];
        let mut storage = FileStorage::open(path).expect("opens");
        let length = storage.load(SEQUENCE_NUMBERS, &mut record).expect("loads");
        assert_eq!(length, Some(8));
        u64::from_be_bytes(record)
    }

    #[test]
    fn numbers_of_a_new_state_grow_with_the_clock_and_stay_below_the_limit() {
        let after = |millis| first_number(EPOCH + Duration::from_millis(millis));
        assert_eq!(first_number(EPOCH - Duration::from_millis(1)), None);
        assert_eq!(after(0), Some(0));
        assert_eq!(after(15), Some(0));
        assert_eq!(after(16), Some(1));
        assert_eq!(after(10_000), Some(640));
        let in_500_years = after(500 * 365 * 86_400_000).expect("a number");
        assert!(in_500_years < SEQUENCE_LIMIT);
    }

    #[test]
    fn a_lost_state_is_followed_by_one_above_it_and_a_kept_one_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = beside(&folder.path().join("alice.json"));
        let by_clock = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            first_number(now.expect("after 1970")).expect("after 2024")
        };
        let before = by_clock();
        drop(open_client(&path).expect("new"));
        let first = stored(&path);
        assert!((before..=by_clock()).contains(&first));

        let mut storage = open_client(&path).expect("there");
        storage
            .save(SEQUENCE_NUMBERS, &(first + 7).to_be_bytes())
            .expect("saved");
        drop(storage);
        drop(open_client(&path).expect("there"));
        assert_eq!(stored(&path), first + 7);

        std::fs::remove_file(&path).expect("lost");
        std::thread::sleep(Duration::from_millis(200));
        drop(open_client(&path).expect("new again"));
        assert!(stored(&path) > first + 7);
    }

    #[test]
    fn a_record_that_is_no_sequence_number_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state");
        for record in [&[0; 7][..], &[0; 9], &(SEQUENCE_LIMIT + 1).to_be_bytes()] {
            let mut storage = FileStorage::open(&path).expect("opens");
            storage.save(SEQUENCE_NUMBERS, record).expect("saved");
            drop(storage);
            let message = open_client(&path).expect_err("refused").to_string();
            assert!(message.contains("is damaged; delete it"), "{message}");
        }
    }
}
