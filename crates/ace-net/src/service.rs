//! A CoAP server on a tokio socket: requests of many peers answered side by side.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ace_as::{Answer, AuthorizationServer, PeerId};
use ace_coap::{Endpoint, Exchange, Incoming, Instant, OutMessage, Slot, Transmission};
use ace_wire::coap::{CoapError, Code, Message};
use coap_lite::Packet;
use tokio::{net::UdpSocket, sync::mpsc};
use tracing::{debug, error, warn};

use crate::{
    dtls::DtlsPeer,
    host::{Clock, randomness, wall_clock},
    udp,
};

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one request, or leaves it without answer (`None`): then nothing is remembered of it.
    ///
    /// A repeated request never comes here twice (RFC 7252, 4.5).
    fn call(&self, request: Request) -> impl Future<Output = Option<Answer>> + Send;
}

/// A request as it came.
#[derive(Debug)]
pub struct Request {
    /// Where it came from. Nothing has proved that address yet.
    pub peer: SocketAddr,
    /// When it came, by the server's clock.
    pub received: Instant,
    /// The authenticated peer, if it came in a DTLS session ([`serve_coaps`](crate::dtls::serve_coaps)).
    pub session: Option<DtlsPeer>,
    datagram: Vec<u8>,
    hung_up: Arc<AtomicBool>,
}

impl Request {
    pub(crate) fn in_the_clear(peer: SocketAddr, received: Instant, datagram: &[u8]) -> Self {
        Self {
            peer,
            received,
            session: None,
            datagram: datagram.to_vec(),
            hung_up: Arc::default(),
        }
    }

    pub(crate) fn in_session(
        peer: SocketAddr,
        received: Instant,
        session: DtlsPeer,
        message: &[u8],
    ) -> Self {
        Self {
            peer,
            received,
            session: Some(session),
            datagram: message.to_vec(),
            hung_up: Arc::default(),
        }
    }

    /// Ends the session it came in once it is answered; without effect outside of one.
    pub fn hang_up(&self) {
        self.hung_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn hung_up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.hung_up)
    }

    /// The message, borrowed.
    pub fn message(&self) -> Result<Message<'_>, CoapError> {
        Message::parse(&self.datagram)
    }

    /// The message as `coap-lite` knows it, for handlers written against that crate. It passed the strict parser
    /// before, so what `coap-lite` is lenient about cannot occur.
    pub fn packet(&self) -> Option<Packet> {
        Packet::from_bytes(&self.datagram).ok()
    }

    /// Bytes of the datagram, the measure for how much may be answered to an unverified peer (RFC 9175, 2.4).
    pub fn size(&self) -> usize {
        self.datagram.len()
    }
}

/// What a handler written against `coap-lite` answers: code, options and payload; the endpoint sets type, Message ID
/// and token.
#[must_use]
pub fn answer_of_packet(packet: Packet) -> Answer {
    let code = Code(u8::from(packet.header.code));
    let options = packet
        .options()
        .flat_map(|(number, values)| values.iter().map(|value| (*number, value.clone())))
        .collect();
    Answer {
        code,
        options,
        payload: packet.payload.into(),
    }
}

impl Service for AuthorizationServer {
    async fn call(&self, request: Request) -> Option<Answer> {
        let Some(now_unix) = wall_clock() else {
            error!("the system's clock stands before 1970: no token can be issued");
            return None;
        };
        let message = request.message().ok()?;
        let received = request.received;
        let Some(session) = &request.session else {
            let (peer, size) = (request.peer, request.size());
            return self.handle(received, now_unix, peer, &message, size).await;
        };
        let peer = PeerId::new(session.number);
        let answer = self.handle_in_session(received, now_unix, peer, &message);
        let answer = answer.await;
        // No longer registered, or not who it says: it begins anew, if it may.
        if answer
            .as_ref()
            .is_some_and(|answer| answer.code == Code::UNAUTHORIZED)
        {
            request.hang_up();
        }
        answer
    }
}

/// Limits of [`serve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Exchanges and kept answers at a time, about 1.3 KiB each.
    pub slots: usize,
}

impl Default for Limits {
    /// 4096 slots, about 5 MiB.
    fn default() -> Self {
        Self { slots: 4096 }
    }
}

/// Serves until `shutdown` is ready; requests under way are then dropped.
///
/// # Errors
/// Those of the socket that do not concern a single peer.
pub async fn serve<S: Service>(
    socket: UdpSocket,
    service: Arc<S>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let clock = Clock::start();
    let slots: Vec<Slot<SocketAddr>> = std::iter::repeat_with(Slot::new)
        .take(limits.slots)
        .collect();
    let mut endpoint = Endpoint::new(slots, Transmission::default(), &mut randomness());
    // Bounded by the slots: each waiting exchange sends one answer.
    let (answers, mut answered) = mpsc::channel::<(Exchange, Option<Answer>)>(limits.slots.max(1));
    let mut buffer = vec![0; udp::MAX_DATAGRAM];
    tokio::pin!(shutdown);
    loop {
        while let Some(transmit) = endpoint.poll_transmit(clock.now()) {
            udp::send(&socket, transmit.peer, transmit.datagram).await;
        }
        // Observers are kept by the services that have them.
        while endpoint.poll_event().is_some() {}
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            received = udp::receive(&socket, &mut buffer) => {
                let (datagram, peer) = received?;
                match endpoint.handle(clock.now(), peer, datagram) {
                    Incoming::Request { exchange, .. } => {
                        let request = Request::in_the_clear(peer, clock.now(), datagram);
                        let (service, answers) = (Arc::clone(&service), answers.clone());
                        tokio::spawn(async move {
                            let answer = service.call(request).await;
                            // The server has stopped if nobody receives.
                            let _ = answers.send((exchange, answer)).await;
                        });
                    }
                    Incoming::Response { .. } => {}
                    Incoming::Nothing(reason) => debug!(%peer, ?reason, "datagram dropped"),
                }
            }
            Some((exchange, answer)) = answered.recv() => {
                let result = match answer.as_ref().map(Answer::as_message) {
                    None => endpoint.ignore(exchange),
                    Some(Ok(message)) => endpoint.respond(clock.now(), exchange, &message),
                    Some(Err(error)) => {
                        warn!(?error, "an answer that is no CoAP message");
                        endpoint.respond(clock.now(), exchange, &OutMessage::new(Code::INTERNAL_SERVER_ERROR))
                    }
                };
                if let Err(error) = result {
                    debug!(?error, "answer not sent");
                }
            }
            () = udp::sleep_until(&clock, endpoint.poll_timeout()) => endpoint.handle_timeout(clock.now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    use coap_lite::{CoapOption, MessageClass, MessageType, RequestType, ResponseType};
    use tokio::time::timeout;

    use super::*;

    /// Written against `coap-lite` alone; counts its calls.
    struct Counting(AtomicUsize);

    impl Service for Counting {
        async fn call(&self, request: Request) -> Option<Answer> {
            let asked = request.packet()?;
            self.0.fetch_add(1, Ordering::Relaxed);
            let mut answer = Packet::new();
            answer.header.code = MessageClass::Response(ResponseType::Content);
            answer.add_option(CoapOption::ContentFormat, vec![]);
            answer.payload = asked.get_first_option(CoapOption::UriPath)?.clone();
            Some(answer_of_packet(answer))
        }
    }

    fn get(id: u16, path: &str) -> Vec<u8> {
        let mut packet = Packet::new();
        packet.header.set_type(MessageType::Confirmable);
        packet.header.code = MessageClass::Request(RequestType::Get);
        packet.header.message_id = id;
        packet.set_token(vec![1, 2, 3]);
        packet.add_option(CoapOption::UriPath, path.as_bytes().to_vec());
        packet.to_bytes().expect("short")
    }

    async fn ask(socket: &UdpSocket, datagram: &[u8]) -> Packet {
        socket.send(datagram).await.expect("sent");
        let mut buffer = [0; 2048];
        let length = timeout(Duration::from_secs(5), socket.recv(&mut buffer));
        let length = length.await.expect("an answer").expect("received");
        Packet::from_bytes(&buffer[..length]).expect("CoAP")
    }

    #[tokio::test]
    async fn rfc7252_4_5_a_repeated_request_is_answered_and_not_run_again() {
        let server = crate::bind("127.0.0.1:0".parse().expect("an address"))
            .await
            .expect("a socket");
        let address = server.local_addr().expect("bound");
        let service = Arc::new(Counting(AtomicUsize::new(0)));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(serve(
            server,
            Arc::clone(&service),
            Limits { slots: 16 },
            async {
                let _ = stopped.await;
            },
        ));

        let client = crate::bind("127.0.0.1:0".parse().expect("an address"))
            .await
            .expect("a socket");
        client.connect(address).await.expect("connected");
        for garbage in [&[0xff; 40][..], &[], &[0x40], &[0x80, 1, 0, 0]] {
            client.send(garbage).await.expect("sent");
        }
        let first = ask(&client, &get(7, "temp")).await;
        assert_eq!(first.payload, b"temp");
        assert_eq!(first.get_token(), [1, 2, 3]);
        assert_eq!(first.header.get_type(), MessageType::Acknowledgement);
        assert_eq!(ask(&client, &get(7, "temp")).await, first);
        assert_eq!(service.0.load(Ordering::Relaxed), 1);
        assert_eq!(ask(&client, &get(8, "led")).await.payload, b"led");
        assert_eq!(service.0.load(Ordering::Relaxed), 2);

        stop.send(()).expect("running");
        running.await.expect("no panic").expect("no error");
    }
}
