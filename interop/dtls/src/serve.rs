//! A server for any number of clients.

use std::{collections::HashMap, net::SocketAddr};

use ace_dtls::{Event, Incoming, Listener, is_client_hello};
use anyhow::Result;

use crate::{Connection, DATAGRAM, Udp, arguments::Arguments, coap, keys::Keys, report, rng};

pub fn run(arguments: &mut Arguments) -> Result<()> {
    let address = arguments.required("--listen")?;
    let mut keys = Keys::of(arguments)?;
    let speaks_coap = arguments.flag("--coap");
    let udp = Udp::new(arguments, &keys, &address)?;
    arguments.finish()?;

    let mut rng = rng();
    let mut listener = Listener::new(Listener::DEFAULT_PERIOD, udp.now(), &mut rng);
    let mut connections: HashMap<SocketAddr, Connection> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM];
    let mut out = vec![0; DATAGRAM];
    eprintln!("listening");
    loop {
        if let Some((length, peer)) = udp.receive(&mut buffer)? {
            let datagram = &mut buffer[..length];
            if !connections.contains_key(&peer) && is_client_hello(datagram) {
                let name = peer.to_string();
                match listener.handle(udp.now(), name.as_bytes(), datagram, &mut rng, &mut out) {
                    Incoming::Reply(length) => udp.send(&out[..length], peer),
                    Incoming::Accept(accept) => {
                        let connection = Connection::server(&udp.config, accept, udp.now());
                        connections.insert(peer, connection);
                    }
                    Incoming::Drop(reason) => eprintln!("dropped: {reason}"),
                }
            }
            if let Some(connection) = connections.get_mut(&peer) {
                let received = connection.handle(udp.now(), datagram, &mut keys, &mut rng);
                for data in received.data {
                    let answer = if speaks_coap {
                        coap::answer(data)
                    } else {
                        Some([b"ace heard ", data].concat())
                    };
                    if let Some(answer) = answer {
                        let length = connection.send(&answer, &mut out)?;
                        udp.send(&out[..length], peer);
                    }
                }
            }
        }
        connections.retain(|&peer, connection| {
            connection.handle_timeout(udp.now());
            udp.flush(connection, peer);
            let mut open = true;
            while let Some(event) = connection.poll_event() {
                match event {
                    Event::Connected => report(connection),
                    Event::Doubted => eprintln!("in doubt: the client has another key, or somebody else sends records"),
                    Event::Closed(reason) => {
                        eprintln!("closed: {reason}");
                        open = false;
                    }
                    _ => {}
                }
            }
            open
        });
    }
}
