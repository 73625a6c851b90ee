//! Client and resource server in one program without a heap, linked for a Cortex-M3.
//!
//! It is linked, not run: the link fails if anything below needs an allocator, and `link` looks once more at the symbols.
//! The network and the storage are two memory-mapped words, so that nothing of the engines can be left out as unused.
#![no_std]
#![no_main]

use core::{convert::Infallible, net::Ipv4Addr, panic::PanicInfo, ptr};

use ace_client::{Client, Instant};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::{
    Parameters,
    storage::{Key, Storage},
};
use ace_rs::{MethodSet, Request, Resource, ResourceServer, Resources, Response, Slot, TokenKey, TrustedKey};
use ace_wire::coap::Code;

const PORT: *mut u32 = 0x4004_8000 as *mut u32;

fn read() -> u32 {
    // SAFETY: a word of the board's peripheral space; this program is never run.
    unsafe { ptr::read_volatile(PORT) }
}

fn write(word: u32) {
    // SAFETY: as above.
    unsafe { ptr::write_volatile(PORT, word) }
}

/// Randomness, storage and resources of a board, by its one port.
struct Board;

impl ace_crypto::TryRng for Board {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(read())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(read()) << 32 | u64::from(read()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.iter_mut().for_each(|byte| *byte = read() as u8);
        Ok(())
    }
}

impl ace_crypto::TryCryptoRng for Board {}

impl Storage for Board {
    type Error = Infallible;

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Infallible> {
        write(key.0);
        out.iter_mut().for_each(|byte| *byte = read() as u8);
        Ok((read() != 0).then_some(out.len()))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Infallible> {
        write(key.0);
        value.iter().for_each(|byte| write(u32::from(*byte)));
        Ok(())
    }
}

struct Lamp([Resource; 1]);

impl Resources for Lamp {
    fn list(&self) -> &[Resource] {
        &self.0
    }

    fn handle(&mut self, request: &Request<'_>, response: &mut Response<'_>) -> Code {
        request.payload.iter().for_each(|byte| write(u32::from(*byte)));
        response.write(b"1");
        Code::CONTENT
    }
}

fn receive(buffer: &mut [u8]) -> usize {
    buffer.iter_mut().for_each(|byte| *byte = read() as u8);
    (read() as usize).min(buffer.len())
}

fn send(datagram: &[u8]) {
    datagram.iter().for_each(|byte| write(u32::from(*byte)));
}

/// Where the linker begins: a board would set up its memory before.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    let secret = [read() as u8; 16];
    let context = Parameters {
        master_secret: &secret,
        master_salt: &secret[..8],
        sender_id: &[0],
        recipient_id: &[1],
        id_context: None,
        aead: Aead::AesCcm16_64_128,
        hkdf: Hkdf::Sha256,
    };
    let config = ace_client::Config::new(Ipv4Addr::from_bits(read()), "coap://192.0.2.1/token", ace_client::AsSecurity::Oscore(context));
    let Ok(mut client) = Client::<_, _>::new(config, Board, &mut Board) else { halt() };

    let keys = [TrustedKey {
        kid: Some(b"1"),
        issuer: "coap://192.0.2.1",
        key: TokenKey::Aead(Aead::AesCcm16_64_128, &secret),
    }];
    let config = ace_rs::Config::new(&["lamp"], "coap://192.0.2.1/token", &keys);
    let lamp = Lamp([Resource::new("/led", MethodSet::PUT)]);
    let slots = [const { Slot::new() }; 8];
    let Ok(mut server) = ResourceServer::<Ipv4Addr, _, _, _>::new(&config, lamp, Board, slots, &mut Board) else {
        halt()
    };

    let mut buffer = [0; 1152];
    let _ = client.request(now(), None, Ipv4Addr::from_bits(read()), ace_client::Request::get("/temp"), &mut Board);
    loop {
        let length = receive(&mut buffer);
        let datagram = buffer.get_mut(..length).unwrap_or(&mut []);
        let peer = Ipv4Addr::from_bits(read());
        client.handle(now(), None, peer, datagram, &mut Board);
        server.handle(now(), None, peer, datagram, &mut Board);
        client.handle_timeout(now(), None, &mut Board);
        server.handle_timeout(now(), None);
        while let Some(transmit) = client.poll_transmit(now()) {
            send(transmit.datagram);
        }
        while let Some(transmit) = server.poll_transmit(now()) {
            send(transmit.datagram);
        }
        while let Some(event) = client.poll_event() {
            if let ace_client::Event::Response { payload, .. } = event {
                send(payload);
            }
        }
        while server.poll_event().is_some() {}
    }
}

fn now() -> Instant {
    Instant(u64::from(read()))
}

fn halt() -> ! {
    loop {
        write(0);
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    halt()
}
