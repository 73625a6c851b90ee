//! The example, and what goes wrong on sockets.

#[path = "../examples/sockets.rs"]
mod example;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Instant;

use ace_client::{AsSecurity, Client, Config, Event, Reason, Request, Step};
use ace_embedded::{Board, NalSocket};
use ace_oscore::storage::{Key, Storage};
use ace_testkit::SeededRandom;
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::ErrorKind;
use embedded_nal_async::UnconnectedUdp;
use futures_lite::future;

#[test]
fn the_example_reads_the_thermometer_on_real_sockets() {
    let seen = future::block_on(example::exchange(20));
    assert_eq!(seen.answers, vec![b"21.5".to_vec(); 20]);
    assert_eq!(seen.issued, 1);
    assert!(seen.decisions >= 20, "{}", seen.decisions);
}

/// A socket that swallows what is sent, and gives what it was given.
#[derive(Default)]
struct Well {
    sent: Vec<Vec<u8>>,
    given: VecDeque<Result<Vec<u8>, ErrorKind>>,
    refuses: bool,
}

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

/// A handle on it.
#[derive(Clone, Copy)]
struct Handle<'w>(&'w RefCell<Well>);

impl UnconnectedUdp for Handle<'_> {
    type Error = ErrorKind;

    async fn send(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> Result<(), ErrorKind> {
        assert_eq!((local, remote), (LOCAL, PEER));
        let mut well = self.0.borrow_mut();
        well.sent.push(data.to_vec());
        if well.refuses {
            Err(ErrorKind::Other)
        } else {
            Ok(())
        }
    }

    async fn receive_into(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr, SocketAddr), ErrorKind> {
        let Some(given) = self.0.borrow_mut().given.pop_front() else {
            return future::pending().await;
        };
        let given = given?;
        let length = given.len().min(buffer.len());
        buffer[..length].copy_from_slice(&given[..length]);
        Ok((given.len(), LOCAL, PEER))
    }
}

/// Time passes when somebody waits, and then at once.
#[derive(Clone, Copy)]
struct Skipping<'t>(&'t RefCell<u64>);

impl ace_embedded::Clock for Skipping<'_> {
    fn now(&self) -> ace_coap::Instant {
        ace_coap::Instant(*self.0.borrow())
    }

    fn wall(&self) -> Option<u64> {
        None
    }
}

impl DelayNs for Skipping<'_> {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        *self.0.borrow_mut() += u64::from(nanoseconds) / 1_000_000;
    }

    async fn delay_ms(&mut self, milliseconds: u32) {
        *self.0.borrow_mut() += u64::from(milliseconds);
    }
}

struct Nothing;

impl Storage for Nothing {
    type Error = ();

    fn load(&mut self, _: Key, _: &mut [u8]) -> Result<Option<usize>, ()> {
        Ok(None)
    }

    fn save(&mut self, _: Key, _: &[u8]) -> Result<(), ()> {
        Ok(())
    }
}

/// How a request ends on this socket, in simulated milliseconds.
fn ask(well: &RefCell<Well>) -> (Result<(Step, Reason), ErrorKind>, u64) {
    let time = RefCell::new(0);
    let (socket, clock) = (
        NalSocket {
            socket: Handle(well),
            local: LOCAL,
        },
        Skipping(&time),
    );
    let mut board: Board<_, _, _, _, 256> = Board::new(socket, clock, clock, SeededRandom::new(1));
    let config = Config::new(
        PEER,
        "coap://as.example/token",
        AsSecurity::Oscore(example::context()),
    );
    let mut client: Client<'_, _, _> = Client::new(config, Nothing, board.rng()).unwrap();
    board
        .request(&mut client, PEER, Request::get("/temp"))
        .unwrap();
    let began = Instant::now();
    let end = future::block_on(board.run(&mut client, |event| match event {
        Event::Failed { step, reason } => ControlFlow::Break((step, reason)),
        Event::Phase(_) => ControlFlow::Continue(()),
        other => panic!("{other:?}"),
    }));
    assert!(began.elapsed().as_secs() < 20);
    let now = *time.borrow();
    (end, now)
}

#[test]
fn a_silent_peer_is_given_up_by_the_timer() {
    let well = RefCell::new(Well::default());
    let (end, now) = ask(&well);
    assert_eq!(end, Ok((Step::Hints, Reason::TimedOut)));
    // Four attempts of five messages each (RFC 7252, 4.8).
    assert_eq!(well.borrow().sent.len(), 20);
    assert!(now > 4 * 62_000, "{now}");
}

#[test]
fn what_cannot_be_sent_counts_as_lost() {
    let well = RefCell::new(Well {
        refuses: true,
        ..Well::default()
    });
    assert_eq!(ask(&well).0, Ok((Step::Hints, Reason::TimedOut)));
}

#[test]
fn noise_and_long_datagrams_change_nothing() {
    let mut given = VecDeque::new();
    for length in [0, 1, 4, 255, 256, 257, 5_000] {
        given.push_back(Ok(vec![0x45; length]));
    }
    let well = RefCell::new(Well {
        given,
        ..Well::default()
    });
    assert_eq!(ask(&well).0, Ok((Step::Hints, Reason::TimedOut)));
}

#[test]
fn a_socket_that_fails_ends_the_run() {
    let given = VecDeque::from([Ok(vec![1, 2, 3]), Err(ErrorKind::ConnectionReset)]);
    let well = RefCell::new(Well {
        given,
        ..Well::default()
    });
    assert_eq!(ask(&well).0, Err(ErrorKind::ConnectionReset));
}
