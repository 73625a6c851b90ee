//! What a server takes in memory (64-bit machine), as the crate's documentation says.

use core::mem::size_of;
use core::net::SocketAddr;

use ace_rs::{ResourceServer, Slot};

type Slots<const N: usize, const MTU: usize> = [Slot<SocketAddr, MTU>; N];
type Server<
    const TOKENS: usize,
    const UNCONFIRMED: usize,
    const OBSERVERS: usize,
    const SCOPE: usize,
    const TRANSFERS: usize,
    const BODY: usize,
> = ResourceServer<
    'static,
    SocketAddr,
    (),
    (),
    Slots<8, 1152>,
    TOKENS,
    UNCONFIRMED,
    OBSERVERS,
    SCOPE,
    TRANSFERS,
    BODY,
    1152,
>;

#[test]
fn sizes_are_those_of_the_documentation() {
    let default = size_of::<Server<4, 4, 4, 128, 2, 1024>>();
    assert_eq!(default, 24_728);
    let more = |larger: usize| larger - default;
    // A token in force, and one that waits.
    assert_eq!(more(size_of::<Server<5, 4, 4, 128, 2, 1024>>()), 656);
    assert_eq!(more(size_of::<Server<4, 5, 4, 128, 2, 1024>>()), 656);
    assert_eq!(more(size_of::<Server<4, 4, 5, 128, 2, 1024>>()), 96);
    // Room for the scope of every token.
    assert_eq!(more(size_of::<Server<4, 4, 4, 192, 2, 1024>>()), 8 * 64);
    // Three bodies.
    assert_eq!(
        more(size_of::<Server<4, 4, 4, 128, 3, 1024>>()),
        3 * 1024 + 200
    );
    assert_eq!(more(size_of::<Server<4, 4, 4, 128, 2, 2048>>()), 6 * 1024);
    assert_eq!(size_of::<Slot<SocketAddr, 1152>>(), 1328);
}
