//! UDP over IPv4 on the board's Ethernet: one socket, as the engines want it.

use core::{arch::asm, net::SocketAddrV4, ptr};

use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage},
    socket::udp,
    time::Instant,
    wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address},
};

use crate::{
    clock,
    ethernet::Ethernet,
    place::{Place, Taken},
};

/// What QEMU's user network gives the first guest.
pub const OWN_ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
/// The host, and with it whatever listens on its loopback.
pub const HOST_ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

/// Longest datagram either way.
pub const DATAGRAM: usize = 1280;

const HARDWARE_ADDRESS: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// Enables the Ethernet controller's interrupt, 42.
const NVIC_ISER1: *mut u32 = 0xe000_e104 as *mut u32;
const NVIC_ICER1: *mut u32 = 0xe000_e184 as *mut u32;
const NVIC_ICPR1: *mut u32 = 0xe000_e284 as *mut u32;
const ETHERNET: u32 = 1 << (42 - 32);

type Queue = [udp::PacketMetadata; 4];

static CONTROLLER: Taken<Ethernet> = Taken::new(Ethernet::new());
static INTERFACE: Place<Interface> = Place::new();
static SOCKETS: Taken<[SocketStorage<'static>; 1]> = Taken::new([SocketStorage::EMPTY]);
static QUEUES: Taken<[Queue; 2]> = Taken::new([const { [udp::PacketMetadata::EMPTY; 4] }; 2]);
static BUFFERS: Taken<[[u8; 2 * DATAGRAM]; 2]> = Taken::new([[0; 2 * DATAGRAM]; 2]);
static INCOMING: Taken<[u8; DATAGRAM]> = Taken::new([0; DATAGRAM]);

/// The network stack.
pub struct Network {
    device: &'static mut Ethernet,
    interface: &'static mut Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    incoming: &'static mut [u8; DATAGRAM],
}

impl Network {
    /// Starts the network, with a socket on this port.
    ///
    /// # Panics
    /// The second time.
    #[inline(never)]
    pub(crate) fn start(port: u16, random_seed: u64) -> Self {
        let device = CONTROLLER.take();
        device.start(HARDWARE_ADDRESS);
        let mut config = Config::new(EthernetAddress(HARDWARE_ADDRESS).into());
        config.random_seed = random_seed;
        let interface = INTERFACE.fill(|| Interface::new(config, device, instant()));
        interface.update_ip_addrs(|all| {
            // There is room for two.
            let _ = all.push(IpCidr::new(IpAddress::Ipv4(OWN_ADDRESS), 24));
        });
        // The first of smoltcp's two routes.
        let _ = interface.routes_mut().add_default_ipv4_route(HOST_ADDRESS);
        let [queue_in, queue_out] = QUEUES.take();
        let [buffer_in, buffer_out] = BUFFERS.take();
        let mut socket = udp::Socket::new(
            udp::PacketBuffer::new(&mut queue_in[..], &mut buffer_in[..]),
            udp::PacketBuffer::new(&mut queue_out[..], &mut buffer_out[..]),
        );
        // Fails only for port 0 and an open socket.
        let _ = socket.bind(port);
        let mut sockets = SocketSet::new(&mut SOCKETS.take()[..]);
        let socket = sockets.add(socket);
        Self { device, interface, sockets, socket, incoming: INCOMING.take() }
    }

    /// The next datagram, and where it came from.
    #[inline(never)]
    pub fn receive(&mut self) -> Option<(&mut [u8], SocketAddrV4)> {
        self.poll();
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.socket);
        let (length, from) = loop {
            match socket.recv_slice(self.incoming) {
                Ok((length, meta)) => break (length, meta.endpoint),
                Err(udp::RecvError::Truncated) => {}
                Err(udp::RecvError::Exhausted) => return None,
            }
        };
        let IpAddress::Ipv4(address) = from.addr;
        Some((self.incoming.get_mut(..length)?, SocketAddrV4::new(address, from.port)))
    }

    /// Sends a datagram; one that finds no room is lost, as the network may lose any.
    #[inline(never)]
    pub fn send(&mut self, to: SocketAddrV4, datagram: &[u8]) {
        let endpoint = IpEndpoint::new(IpAddress::Ipv4(*to.ip()), to.port());
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.socket);
        let _ = socket.send_slice(datagram, endpoint);
        self.poll();
    }

    /// Sleeps until a frame comes or, at the latest 10 ms after, this time has come.
    #[inline(never)]
    pub fn wait(&mut self, until: Option<u64>) {
        let since = clock::cycles();
        let over = |time: u64| time <= clock::now();
        // The stack's own timers: address resolution.
        let own = self.interface.poll_at(instant(), &self.sockets);
        let own = own.map(|at| u64::try_from(at.total_millis()).unwrap_or(0));
        while !Ethernet::has_frame() && !until.is_some_and(over) && !own.is_some_and(over) {
            // SAFETY: interrupts are held back around the sleep, so that a frame that comes between the look and the
            // sleep ends it; the interrupt itself is switched off again before it could be taken.
            unsafe {
                asm!("cpsid i");
                Ethernet::wake_on_frame(true);
                ptr::write_volatile(NVIC_ISER1, ETHERNET);
                if !Ethernet::has_frame() {
                    asm!("wfi");
                }
                Ethernet::wake_on_frame(false);
                ptr::write_volatile(NVIC_ICER1, ETHERNET);
                ptr::write_volatile(NVIC_ICPR1, ETHERNET);
                asm!("cpsie i");
            }
        }
        clock::slept(since);
        self.poll();
    }

    #[inline(never)]
    fn poll(&mut self) {
        self.interface.poll(instant(), self.device, &mut self.sockets);
    }
}

impl core::fmt::Debug for Network {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

fn instant() -> Instant {
    Instant::from_millis(clock::now() as i64)
}
