use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What the transport calls the other side: address and port.
pub trait Peer: Copy + Eq + Hash {
    /// The part of it that an attacker cannot vary at will: peers with the same number share one
    /// allowance of token uploads. For IPv4 the address, for IPv6 its first 64 bits.
    fn source(&self) -> u64;
}

impl Peer for Ipv4Addr {
    fn source(&self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Peer for Ipv6Addr {
    fn source(&self) -> u64 {
        match self.to_ipv4_mapped() {
            Some(address) => address.source(),
            None => self
                .octets()
                .first_chunk()
                .map_or(0, |prefix| u64::from_be_bytes(*prefix)),
        }
    }
}

impl Peer for IpAddr {
    fn source(&self) -> u64 {
        match self {
            Self::V4(address) => address.source(),
            Self::V6(address) => address.source(),
        }
    }
}

impl Peer for SocketAddrV4 {
    fn source(&self) -> u64 {
        self.ip().source()
    }
}

impl Peer for SocketAddrV6 {
    fn source(&self) -> u64 {
        self.ip().source()
    }
}

impl Peer for SocketAddr {
    fn source(&self) -> u64 {
        self.ip().source()
    }
}

macro_rules! number {
    ($($number:ty),*) => {$(
        /// A link-layer address, or a node of a simulation.
        impl Peer for $number {
            fn source(&self) -> u64 {
                u64::from(*self)
            }
        }
    )*};
}
number!(u8, u16, u32, u64);

/// The bytes a peer hashes to, for MACs over it.
pub(crate) struct PeerBytes {
    bytes: [u8; 48],
    length: usize,
}

impl PeerBytes {
    pub(crate) fn of<P: Peer>(peer: P) -> Self {
        let mut bytes = Self {
            bytes: [0; 48],
            length: 0,
        };
        peer.hash(&mut bytes);
        bytes
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..self.length.min(self.bytes.len()))
            .unwrap_or(&self.bytes)
    }
}

impl Hasher for PeerBytes {
    /// Bytes beyond the room are added to those before.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = self.length % self.bytes.len();
            if let Some(room) = self.bytes.get_mut(at) {
                *room = room.rotate_left(1).wrapping_add(*byte);
            }
            self.length = self.length.saturating_add(1);
        }
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_the_address_or_the_prefix() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let same = [
            ("192.0.2.1:5683", "192.0.2.1:61616"),
            ("192.0.2.1:1", "[::ffff:192.0.2.1]:1"),
            ("[2001:db8::1]:1", "[2001:db8:0:0:ffff::2]:2"),
        ];
        for (a, b) in same {
            assert_eq!(parse(a).source(), parse(b).source());
            assert_ne!(
                PeerBytes::of(parse(a)).as_bytes(),
                PeerBytes::of(parse(b)).as_bytes()
            );
        }
        assert_ne!(parse("192.0.2.1:1").source(), parse("192.0.2.2:1").source());
        assert_ne!(
            parse("[2001:db8::1]:1").source(),
            parse("[2001:db8:0:1::1]:1").source()
        );
    }

    #[test]
    fn peer_bytes_differ_wherever_addresses_do() {
        let peers = [
            "[2001:db8::1]:1",
            "[2001:db8::1]:2",
            "[2001:db8::2]:1",
            "192.0.2.1:1",
        ];
        let all: std::collections::HashSet<_> = peers
            .iter()
            .map(|peer| {
                PeerBytes::of(peer.parse::<SocketAddr>().unwrap())
                    .as_bytes()
                    .to_vec()
            })
            .collect();
        assert_eq!(all.len(), peers.len());
    }
}
