//! The `[sections]` of `ace.toml`: each has a file beside this one, a field in [`Config`](super::Config), and its text in
//! what `ace init` writes.

use serde::de::DeserializeOwned;

/// One `[section]` of `ace.toml`; left out, it is as its default.
pub trait Section: DeserializeOwned + Default {
    /// What stands in the brackets.
    const NAME: &'static str;

    /// What `ace init` writes: the head, and every key with a comment and its default, commented out if that is none.
    const TEXT: &'static str;

    /// What the types do not say.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }
}

/// A key whose value cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The key.
    pub key: &'static str,
    /// The rest of a sentence that begins with the key, such as `must be 1 to 10`.
    pub why: String,
}

impl Wrong {
    /// `key` and what follows it in the sentence.
    pub fn new(key: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { key, why }
    }
}

/// The number of the line with `key` in `section`; before the first section if there is none.
pub fn line_of(text: &str, section: Option<&str>, key: &str) -> Option<usize> {
    let mut current = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(head) = line.strip_prefix('[') {
            current = head.split_once(']').map(|(name, _)| name.trim());
        } else if current == section
            && let Some(rest) = line.strip_prefix(key)
            && rest.trim_start().starts_with('=')
        {
            return Some(at + 1);
        }
    }
    None
}
