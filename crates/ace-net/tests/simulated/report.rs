//! What is varied from test to test, and what is known after a seed.

use std::collections::BTreeMap;

use ace_client::Phase;
use ace_net::Outcome;
use ace_testkit::Conditions;

use crate::eavesdropper::Heard;

/// What a test varies.
pub struct Plan {
    pub conditions: Conditions,
    /// Longest payload in one message, of the client and of the resource server.
    pub block_size: usize,
    /// Bytes of what is written to the lamp.
    pub led: usize,
    /// Whether the resource server knows the time.
    pub has_clock: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            conditions: Conditions::harsh(),
            block_size: 1024,
            led: 8,
            has_clock: true,
        }
    }
}

/// What is known after a seed. Times are simulated, in milliseconds.
#[derive(Debug, Default)]
pub struct Report {
    pub seed: u64,
    /// What the client went through for each request, attempt by attempt.
    pub phases: Vec<(&'static str, Vec<Phase>)>,
    /// Failures after which the application asked again: of which request, and how it had ended.
    pub retries: Vec<(&'static str, Outcome)>,
    /// Requests that ended as they ought to.
    pub successes: usize,
    /// Requests that failed as often as they were made.
    pub failures: usize,
    /// Whether the request that is not idempotent ended with nobody knowing if it was done.
    pub unknown: bool,
    /// Requests whose handler ran for more than one message of the client.
    pub repeated: usize,
    /// Datagrams sent.
    pub datagrams: usize,
    /// Of these, lost by chance.
    pub lost: usize,
    /// Of these, longer than the network carries.
    pub too_long: usize,
    /// What the one with all the keys heard.
    pub heard: Heard,
    /// From the first request to its answer.
    pub first: u64,
    /// All requests together.
    pub busy: u64,
    /// The longest request.
    pub longest: u64,
}

/// Prints what all seeds came to; `--nocapture` shows it.
pub fn show(reports: &[Report]) {
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let spread = |of: fn(&Report) -> u64| {
        let mut values: Vec<_> = reports.iter().map(of).collect();
        values.sort_unstable();
        let at = |percent: usize| values[(values.len() - 1) * percent / 100] as f64 / 1000.0;
        let (p50, p90, p99, longest) = (at(50), at(90), at(99), at(100));
        format!("p50 {p50:.1} s, p90 {p90:.1} s, p99 {p99:.1} s, longest {longest:.1} s")
    };
    println!(
        "{} seeds, {} requests, {} datagrams ({} lost, {} too long), {} messages of the client under OSCORE",
        reports.len(),
        sum(|r| r.phases.len()),
        sum(|r| r.datagrams),
        sum(|r| r.lost),
        sum(|r| r.too_long),
        sum(|r| r.heard.requests),
    );
    println!("  to the first value {}", spread(|r| r.first));
    println!("  all requests       {}", spread(|r| r.busy));
    println!("  longest request    {}", spread(|r| r.longest));
    if let Some(slowest) = reports.iter().max_by_key(|r| r.longest) {
        println!("  the longest of all was in seed {}", slowest.seed);
    }
    println!(
        "  handlers that ran again for a request that was sent again: {}; POSTs with an unknown outcome: {}",
        sum(|r| r.repeated),
        sum(|r| usize::from(r.unknown)),
    );
    println!(
        "  seeds in which the application had to ask again: {} ({} times); requests given up: {}",
        sum(|r| usize::from(!r.retries.is_empty())),
        sum(|r| r.retries.len()),
        sum(|r| r.failures),
    );
    let mut kinds = BTreeMap::<String, usize>::new();
    for (name, outcome) in reports.iter().flat_map(|report| &report.retries) {
        *kinds.entry(format!("{name}: {outcome:?}")).or_default() += 1;
    }
    for (kind, times) in kinds {
        println!("    {times:4} {kind}");
    }
}
