//! What `bare` and `empty` do: send back what comes.

use board::{clock, console, console::Number, network::Network, rand_core::CryptoRng};

use crate::meter;

/// Serves for ever.
pub fn serve(mut network: Network, random: &mut dyn CryptoRng) -> ! {
    meter::made();
    console::line(&["ready"]);
    loop {
        while let Some((datagram, from)) = network.receive() {
            let mut copy = [0; 64];
            let length = datagram.len().min(copy.len());
            copy[..length].copy_from_slice(&datagram[..length]);
            network.send(from, &copy[..length]);
            // As the engines draw them, so that the generator is not counted for one.
            random.fill_bytes(&mut copy);
            console::line(&["echo ", Number::new(length as u64).as_str(), " ", Number::new(clock::busy()).as_str()]);
            meter::stack();
        }
        network.wait(None);
    }
}
