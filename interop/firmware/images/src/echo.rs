//! What `bare` and `empty` do: send back what comes.

use board::{clock, console, console::Number, network::Network};

use crate::meter;

/// Serves for ever.
pub fn serve(mut network: Network) -> ! {
    meter::made();
    console::line(&["ready"]);
    loop {
        while let Some((datagram, from)) = network.receive() {
            let mut copy = [0; 64];
            let length = datagram.len().min(copy.len());
            copy[..length].copy_from_slice(&datagram[..length]);
            network.send(from, &copy[..length]);
            console::line(&["echo ", Number::new(length as u64).as_str(), " ", Number::new(clock::busy()).as_str()]);
            meter::stack();
        }
        network.wait(None);
    }
}
