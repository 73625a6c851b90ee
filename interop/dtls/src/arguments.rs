//! A command line: `--name value`, `--flag` and words, in any order.

use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};

pub struct Arguments(Vec<String>);

impl Arguments {
    pub fn of_process() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// The next argument that is no option; options with a value are to be taken out before.
    pub fn word(&mut self) -> Option<String> {
        let at = self
            .0
            .iter()
            .position(|argument| !argument.starts_with("--"))?;
        Some(self.0.remove(at))
    }

    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|argument| argument != name);
        self.0.len() < before
    }

    pub fn option(&mut self, name: &str) -> Result<Option<String>> {
        let Some(at) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        ensure!(at + 1 < self.0.len(), "{name} needs a value");
        self.0.remove(at);
        Ok(Some(self.0.remove(at)))
    }

    pub fn required(&mut self, name: &str) -> Result<String> {
        self.option(name)?
            .with_context(|| format!("{name} is missing"))
    }

    pub fn number(&mut self, name: &str) -> Result<Option<usize>> {
        let number = self.option(name)?.map(|text| usize::from_str(&text));
        number
            .transpose()
            .with_context(|| format!("{name} is no number"))
    }

    pub fn finish(&self) -> Result<()> {
        ensure!(self.0.is_empty(), "not understood: {}", self.0.join(" "));
        Ok(())
    }
}
