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
    let default = size_of::<Server<4, 4, 4, 160, 4, 1024>>();
    let more = |larger: usize| larger - default;
    let measured = [
        default,
        // A token in force, and one that waits.
        more(size_of::<Server<5, 4, 4, 160, 4, 1024>>()),
        more(size_of::<Server<4, 5, 4, 160, 4, 1024>>()),
        more(size_of::<Server<4, 4, 5, 160, 4, 1024>>()),
        // Room for the scope of every token.
        more(size_of::<Server<4, 4, 4, 224, 4, 1024>>()),
        // Two bodies.
        more(size_of::<Server<4, 4, 4, 160, 5, 1024>>()),
        more(size_of::<Server<4, 4, 4, 160, 4, 2048>>()),
        size_of::<Slot<SocketAddr, 1152>>(),
    ];
    let documented = [30_400, 520, 520, 96, 512, 2_208, 8_192, 1_288];
    // Where something else in the build has asked for the index of `ace-coap`.
    let with_index = [31_040, 520, 520, 96, 512, 2_208, 8_192, 1_328];
    assert!([documented, with_index].contains(&measured), "{measured:?}");
}
