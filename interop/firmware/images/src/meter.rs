//! What each step costs: cycles in the engine, and time from its beginning to its end.

use board::{clock, console, console::Number, stack};

/// Counts for the step that is under way.
#[derive(Debug)]
pub struct Meter {
    step: &'static str,
    cycles: u64,
    since: u64,
}

impl Meter {
    /// Begins with this step.
    pub fn new(step: &'static str) -> Self {
        Self { step, cycles: 0, since: clock::now() }
    }

    /// Calls the engine, and counts what it takes.
    pub fn engine<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let before = clock::cycles();
        let result = call();
        self.cycles += clock::cycles().saturating_sub(before);
        result
    }

    /// Says what the step took, now that it has a name.
    pub fn told(&mut self, step: &'static str) {
        self.step = step;
        self.next("");
    }

    /// Says what the step took, and begins another.
    pub fn next(&mut self, step: &'static str) {
        let (cycles, time) = (Number::new(self.cycles), Number::new(clock::now() - self.since));
        if self.cycles > 0 {
            console::line(&["step ", self.step, " ", cycles.as_str(), " ", time.as_str()]);
        }
        *self = Self::new(step);
    }
}

/// Says how deep the stack has been since the engines were made.
pub fn stack() {
    console::line(&["stack ", Number::new(stack::peak() as u64).as_str()]);
}

/// Says how deep the stack has been until now, and begins anew: making an engine takes it to the stack first.
pub fn made() {
    console::line(&["made ", Number::new(stack::peak() as u64).as_str()]);
    stack::repaint();
}
