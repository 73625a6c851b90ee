//! The Ethernet controller, a pair of FIFOs, as a device of smoltcp.

use core::ptr;

use smoltcp::{
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    time::Instant,
};

const BASE: usize = 0x4004_8000;
/// Raw interrupt status; acknowledge by writing.
const RIS: usize = 0x00;
const IM: usize = 0x04;
const RCTL: usize = 0x08;
const TCTL: usize = 0x0c;
const DATA: usize = 0x10;
const IA0: usize = 0x14;
const IA1: usize = 0x18;
/// Frames waiting.
const NP: usize = 0x34;
const TR: usize = 0x38;

const RECEIVED: u32 = 1;

/// Longest frame without its checksum.
const FRAME: usize = 1514;
/// Of the frame in the FIFO: two bytes of length before, four of checksum behind.
const EXTRA: usize = 6;

fn read(register: usize) -> u32 {
    // SAFETY: an offset of the controller's registers.
    unsafe { ptr::read_volatile((BASE + register) as *const u32) }
}

fn write(register: usize, value: u32) {
    // SAFETY: as above.
    unsafe { ptr::write_volatile((BASE + register) as *mut u32, value) }
}

/// The controller, with room for one frame each way.
#[derive(Debug)]
pub struct Ethernet {
    incoming: [u8; FRAME],
    outgoing: [u8; FRAME],
}

impl Ethernet {
    /// Both buffers are empty, the controller is not started.
    pub const fn new() -> Self {
        Self { incoming: [0; FRAME], outgoing: [0; FRAME] }
    }

    /// Takes the address and starts both directions.
    pub fn start(&mut self, address: [u8; 6]) {
        let [a, b, c, d, e, f] = address;
        write(IA0, u32::from_le_bytes([a, b, c, d]));
        write(IA1, u32::from_le_bytes([e, f, 0, 0]));
        // Full duplex, checksum and padding by the controller.
        write(TCTL, 0b1_0111);
        // Own address and multicast only; frames with a wrong checksum go.
        write(RCTL, 0b1_1001);
        write(RCTL, 0b0_1001);
    }

    /// Whether a frame waits.
    pub fn has_frame() -> bool {
        read(NP) != 0
    }

    /// Lets a frame that comes wake the processor.
    pub(crate) fn wake_on_frame(on: bool) {
        write(RIS, RECEIVED);
        write(IM, if on { RECEIVED } else { 0 });
    }

    /// The next frame from the FIFO; one that is too long is dropped.
    fn take(&mut self) -> Option<usize> {
        while Self::has_frame() {
            let first = read(DATA).to_le_bytes();
            let total = usize::from(u16::from_le_bytes([first[0], first[1]]));
            let length = total.saturating_sub(EXTRA);
            let mut at = 0;
            let mut put = |byte: u8| {
                if let Some(room) = self.incoming.get_mut(at) {
                    *room = byte;
                }
                at += 1;
            };
            first[2..].iter().copied().for_each(&mut put);
            for _ in 1..total.div_ceil(4) {
                read(DATA).to_le_bytes().into_iter().for_each(&mut put);
            }
            if length > 0 && length <= FRAME {
                return Some(length);
            }
        }
        None
    }
}

impl Default for Ethernet {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let length = self.take()?;
        Some((Received(self.incoming.get(..length)?), Sending(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}

/// A frame that came.
#[derive(Debug)]
pub struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

/// Room for a frame to send.
#[derive(Debug)]
pub struct Sending<'a>(&'a mut [u8; FRAME]);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let frame = &mut self.0[..length.min(FRAME)];
        let result = fill(frame);
        // The first half word is the length of what follows the Ethernet header.
        let head = (frame.len().saturating_sub(14) as u16).to_le_bytes();
        let (mut word, mut filled) = ([0; 4], 0);
        for byte in head.iter().chain(&*frame) {
            word[filled] = *byte;
            filled += 1;
            if filled == 4 {
                write(DATA, u32::from_le_bytes(word));
                filled = 0;
            }
        }
        if filled > 0 {
            write(DATA, u32::from_le_bytes(word));
        }
        write(TR, 1);
        result
    }
}
