//! A client.

use std::{
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    sync::mpsc::{Receiver, TryRecvError, channel},
    time::Duration,
};

use ace_dtls::Event;
use anyhow::{Result, bail, ensure};

use crate::{Connection, DATAGRAM, Udp, arguments::Arguments, coap, keys::Keys, report, rng};

/// How long an answer to `--get` may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn run(arguments: &mut Arguments) -> Result<()> {
    let peer: SocketAddr = arguments.required("--to")?.parse()?;
    let mut keys = Keys::of(arguments)?;
    let get = arguments.option("--get")?;
    let udp = Udp::new(arguments, &keys, "127.0.0.1:0")?;
    arguments.finish()?;

    let mut rng = rng();
    let mut connection: Connection = Connection::client(&udp.config, udp.now(), &keys, &mut rng)?;
    let lines = if get.is_none() { Some(lines()) } else { None };
    let mut buffer = vec![0; DATAGRAM];
    let mut out = vec![0; DATAGRAM];
    let mut ended = false;
    loop {
        connection.handle_timeout(udp.now());
        udp.flush(&mut connection, peer);
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Connected => {
                    report(&connection);
                    if let Some(path) = &get {
                        let length = connection.send(&coap::request(path)?, &mut out)?;
                        udp.send(&out[..length], peer);
                    }
                }
                Event::Closed(reason) => {
                    udp.flush(&mut connection, peer);
                    eprintln!("closed: {reason}");
                    ensure!(ended, "closed: {reason}");
                    return Ok(());
                }
                _ => {}
            }
        }
        if let Some((length, from)) = udp.receive(&mut buffer)?
            && from == peer
        {
            let datagram = &mut buffer[..length];
            let received = connection.handle(udp.now(), datagram, &mut keys, &mut rng);
            for data in received.data {
                if get.is_none() {
                    print(data)?;
                } else if let Some(payload) = coap::payload(data)? {
                    print(&payload)?;
                    ended = true;
                }
            }
        }
        ensure!(
            get.is_none() || Duration::from_millis(udp.now().0) < PATIENCE,
            "no answer"
        );
        if let Some(lines) = &lines
            && connection.session().is_established()
        {
            match lines.try_recv() {
                Ok(line) => {
                    let length = connection.send(&line, &mut out)?;
                    udp.send(&out[..length], peer);
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => ended = true,
            }
        }
        if ended {
            connection.close();
        }
    }
}

/// The lines of standard input, each as soon as it is there.
fn lines() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        while matches!(input.read_until(b'\n', &mut line), Ok(1..)) {
            if sender.send(core::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
    receiver
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    if let Err(error) = out.flush() {
        bail!("standard output: {error}");
    }
    Ok(())
}
