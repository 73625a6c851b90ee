//! Static memory for one value each, on a machine with one thread.

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    sync::atomic::{AtomicBool, Ordering},
};

/// A value that only the main program touches, never an interrupt.
#[derive(Debug)]
pub(crate) struct Lone<T>(T);

// SAFETY: one core, one thread; the only handler that is ever run is `clock::tick`, which touches an atomic alone.
unsafe impl<T> Sync for Lone<T> {}

impl<T> Lone<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    pub(crate) const fn get(&self) -> &T {
        &self.0
    }
}

/// Room for one value in static memory, made at run time and never dropped.
///
/// ```ignore
/// static ENGINE: Place<Engine> = Place::new();
/// let engine: &'static mut Engine = ENGINE.fill(Engine::new);
/// ```
#[derive(Debug)]
pub struct Place<T>(Taken<MaybeUninit<T>>);

impl<T> Place<T> {
    /// Empty room.
    pub const fn new() -> Self {
        Self(Taken::new(MaybeUninit::uninit()))
    }

    /// Makes the value, as far as the compiler manages in its place and not on the stack.
    ///
    /// # Panics
    /// The second time.
    pub fn fill(&'static self, make: impl FnOnce() -> T) -> &'static mut T {
        emplace(self.0.take(), make)
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A static variable that is handed out once, to be changed.
#[derive(Debug)]
pub struct Taken<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through the one exclusive reference that `take` gives out, on the one thread there is.
unsafe impl<T> Sync for Taken<T> {}

impl<T> Taken<T> {
    /// With this value from the start.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value.
    ///
    /// # Panics
    /// The second time.
    #[expect(clippy::mut_from_ref, reason = "once")]
    pub fn take(&'static self) -> &'static mut T {
        assert!(!self.taken.swap(true, Ordering::Relaxed));
        // SAFETY: the first to come here, as `taken` says; no other reference to the inside is ever made.
        unsafe { &mut *self.value.get() }
    }
}

/// A function of its own, so that the place is known to be no one else's and the value is made in it.
#[inline(never)]
fn emplace<T>(place: &mut MaybeUninit<T>, make: impl FnOnce() -> T) -> &mut T {
    place.write(make())
}
