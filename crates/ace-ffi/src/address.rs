use core::hash::{Hash, Hasher};

use ::ace_rs::Peer;

/// Longest host of an ace_address, in bytes.
pub const ACE_HOST_SIZE: usize = 16;

/// Where a peer is: an IPv4 or IPv6 address, or any other name of up to ACE_HOST_SIZE bytes that the link knows.
///
/// Two addresses are the same peer if host and port are equal; `coaps_port` does not count.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ace_address {
    /// The host; bytes behind `host_length` are ignored.
    pub host: [u8; ACE_HOST_SIZE],
    /// Bytes of the host that count: 4, 16, or less.
    pub host_length: u8,
    /// UDP port, in host byte order.
    pub port: u16,
    /// Where the same peer speaks DTLS; 0: at the same port. Only of use in ace_client_request and in the configuration.
    pub coaps_port: u16,
}

impl ace_address {
    fn name(&self) -> &[u8] {
        self.host
            .get(..usize::from(self.host_length))
            .unwrap_or(&self.host)
    }

    /// Where it speaks DTLS.
    pub(crate) fn coaps(self) -> Self {
        match self.coaps_port {
            0 => self,
            port => Self { port, ..self },
        }
    }
}

impl PartialEq for ace_address {
    fn eq(&self, other: &Self) -> bool {
        self.port == other.port && self.name() == other.name()
    }
}

impl Eq for ace_address {}

impl Hash for ace_address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
        self.port.hash(state);
    }
}

impl Peer for ace_address {
    fn source(&self) -> u64 {
        let first = |bytes: &[u8]| {
            bytes
                .iter()
                .take(8)
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        match self
            .name()
            .strip_prefix(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
        {
            Some(mapped) => first(mapped),
            None => first(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bytes_that_count_and_the_port_are_compared() {
        let a = ace_address {
            host: [7; 16],
            host_length: 4,
            port: 5683,
            coaps_port: 5684,
        };
        let mut b = ace_address { coaps_port: 0, ..a };
        b.host[4..].fill(9);
        assert_eq!(a, b);
        assert_ne!(a, ace_address { port: 5684, ..a });
        assert_ne!(
            a,
            ace_address {
                host_length: 5,
                ..a
            }
        );
        assert_eq!(a.coaps(), ace_address { port: 5684, ..a });
        assert_eq!(b.coaps(), b);
        // A length out of range takes all bytes.
        let whole = ace_address {
            host_length: 255,
            ..a
        };
        assert_eq!(whole.source(), u64::from_be_bytes([7; 8]));
    }

    #[test]
    fn an_ipv4_mapped_source_is_that_of_the_ipv4_address() {
        let mut mapped = ace_address {
            host_length: 16,
            ..ace_address::default()
        };
        mapped.host[10..].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
        let mut plain = ace_address {
            host_length: 4,
            ..ace_address::default()
        };
        plain.host[..4].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(mapped.source(), plain.source());
    }
}
