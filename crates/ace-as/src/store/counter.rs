//! Numbers that never repeat: blocks of a counter are reserved by a committed transaction, then
//! handed out from memory. What a crash leaves of a block is never handed out.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Store, StoreError, Work};

/// Numbers reserved at a time.
pub(super) const BLOCK: u64 = 64;

/// What is left of the blocks reserved by this process; one entry per counter in use.
#[derive(Debug, Default)]
pub(super) struct Counters {
    blocks: Mutex<HashMap<String, Block>>,
}

type Block = Arc<tokio::sync::Mutex<Range<u64>>>;

impl Counters {
    pub async fn next(&self, store: &Store, counter: &str) -> Result<u64, StoreError> {
        let block = {
            let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            match blocks.get(counter) {
                Some(block) => block.clone(),
                None => blocks.entry(counter.to_owned()).or_default().clone(),
            }
        };
        // One caller reserves; the others wait here and then share the block.
        let mut block = block.lock().await;
        if let Some(number) = block.next() {
            return Ok(number);
        }
        let first = store
            .submit(Work::Numbers {
                counter: counter.to_owned(),
                count: BLOCK,
            })
            .await?;
        *block = first.saturating_add(1)..first.saturating_add(BLOCK);
        Ok(first)
    }
}
