//! Notifications, and the end of observations (RFC 7641, 4; RFC 9200, 5.10.3).

use ace_coap::{Instant, OutMessage, Reliability};
use ace_crypto::Secret;
use ace_oscore::storage::Storage;
use ace_wire::coap::{Code, Message, OptionList, Token, Type, Writer, option};

use crate::error::Error;
use crate::inside::{SealError, opaque, seal};
use crate::link::Slot;
use crate::observers::Observer;
use crate::peer::Peer;
use crate::resource::{Resources, Response};
use crate::server::ResourceServer;
use crate::token::TokenId;
use crate::unprotected::Target;

impl<
    P,
    R,
    S,
    E,
    const TOKENS: usize,
    const UNCONFIRMED: usize,
    const OBSERVERS: usize,
    const SCOPE: usize,
    const TRANSFERS: usize,
    const BODY: usize,
    const MTU: usize,
    const SESSIONS: usize,
    const HANDSHAKES: usize,
    const HANDSHAKE: usize,
>
    ResourceServer<
        '_,
        P,
        R,
        S,
        E,
        TOKENS,
        UNCONFIRMED,
        OBSERVERS,
        SCOPE,
        TRANSFERS,
        BODY,
        MTU,
        SESSIONS,
        HANDSHAKES,
        HANDSHAKE,
    >
where
    P: Peer,
    R: Resources,
    S: Storage,
    E: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    /// Sends every observer of `path` its present state: the handler is called with GET for each.
    /// Returns how many there were.
    ///
    /// An answer that is no success ends the observation (RFC 7641, 4.2). While a notification is
    /// under way to an observer, the new one takes its place.
    ///
    /// # Errors
    /// [`Error::NotObservable`].
    pub fn notify(&mut self, now: Instant, wall: Option<u64>, path: &str) -> Result<usize, Error> {
        self.expire(now, wall);
        let mut list = self.resources.list().iter().enumerate();
        let (index, resource) = list
            .find(|(_, resource)| resource.path == path && resource.observable)
            .map(|(index, resource)| (index, *resource))
            .ok_or(Error::NotObservable)?;
        let mut count = 0;
        for slot in 0..OBSERVERS {
            match self.observers.get(slot) {
                Some(observer) if observer.resource == index => {
                    self.notify_one(now, slot, observer, Target::Resource(index, resource));
                    count += 1;
                }
                _ => {}
            }
        }
        Ok(count)
    }

    #[inline(never)]
    fn notify_one(&mut self, now: Instant, slot: usize, mut observer: Observer<P>, target: Target) {
        let Target::Resource(_, resource) = target else {
            return;
        };
        let id = observer.token;
        // The rights may have been replaced since.
        if !self.store.may_observe(id, resource.path) {
            return self.end_observation(now, observer);
        }
        let mut encoded = [0; 128];
        let Some(request) = registration(resource.path, observer, &mut encoded) else {
            return self.end_observation(now, observer);
        };
        let key = self.inner_key(id, &request);
        let mut room = Secret::<BODY>::full([0; BODY]);
        let mut response = Response::new(room.as_mut_bytes());
        let who = self.store.who(id);
        let code = target.serve(&mut self.resources, &request, &[], who, &mut response);
        let mut whole = response.message(code);
        let goes_on = whole.code.is_success();
        if goes_on {
            let number = self.observers.next_number();
            // An option more than a handler can set: there is room.
            let _ = whole.options.push(option::OBSERVE, number);
        }
        let out = self.answers.respond(now, &key, &request, None, &whole);
        let out = out.unwrap_or(OutMessage::new(Code::INTERNAL_SERVER_ERROR));
        let mut sealed = [0; MTU];
        let length = seal(
            &mut self.store,
            id,
            &mut observer.channel,
            &out,
            &mut sealed,
        );
        self.observers.set_channel(slot, observer.channel);
        let sent = self.send_notification(now, observer, &sealed, length);
        if !goes_on || !sent {
            self.observers.remove(|other| same(other, &observer));
        }
    }

    fn send_notification(
        &mut self,
        now: Instant,
        to: Observer<P>,
        sealed: &[u8; MTU],
        length: Result<usize, SealError>,
    ) -> bool {
        // RFC 7641, 4.5: confirmable, so that who is gone is noticed.
        opaque(length, sealed).is_some_and(|out| {
            let endpoint = &mut self.front.endpoint;
            endpoint
                .notify(now, to.link, to.handle, Reliability::Confirmable, &out)
                .is_ok()
        })
    }

    /// RFC 9200, 5.10.3; RFC 9203, 4.2; RFC 9202, 5: a 4.01, protected, before the context or session goes.
    #[inline(never)]
    fn end_observation(&mut self, now: Instant, mut observer: Observer<P>) {
        let out = OutMessage::new(Code::UNAUTHORIZED);
        let mut sealed = [0; MTU];
        let channel = &mut observer.channel;
        let length = seal(&mut self.store, observer.token, channel, &out, &mut sealed);
        self.send_notification(now, observer, &sealed, length);
        self.observers.remove(|other| same(other, &observer));
    }

    pub(crate) fn end_observations(&mut self, now: Instant, id: TokenId) {
        for slot in 0..OBSERVERS {
            if let Some(observer) = self.observers.get(slot)
                && observer.token == id
            {
                self.end_observation(now, observer);
            }
        }
    }

    /// Ends the observations whose tokens are gone. Those under OSCORE end with their context (RFC 9203, 6), those in
    /// sessions are told (RFC 9202, 5).
    pub(crate) fn end_observations_without_token(&mut self, now: Instant) {
        for slot in 0..OBSERVERS {
            if let Some(observer) = self.observers.get(slot)
                && self.store.table.get(observer.token).is_none()
            {
                self.end_observation(now, observer);
            }
        }
    }

    /// Ends the observations that a token's new rights do not cover.
    pub(crate) fn end_uncovered_observations(&mut self, now: Instant, id: TokenId) {
        for slot in 0..OBSERVERS {
            if let Some(observer) = self.observers.get(slot)
                && observer.token == id
            {
                let resource = self.resources.list().get(observer.resource).copied();
                if resource.is_none_or(|resource| !self.store.may_observe(id, resource.path)) {
                    self.end_observation(now, observer);
                }
            }
        }
    }
}

fn same<P: Peer>(a: &Observer<P>, b: &Observer<P>) -> bool {
    a.token == b.token && a.resource == b.resource && a.handle == b.handle
}

/// The request that a notification answers: GET on the path, with the Accept of the registration.
fn registration<'b, P>(
    path: &str,
    observer: Observer<P>,
    encoded: &'b mut [u8],
) -> Option<Message<'b>> {
    let mut options = OptionList::<16>::new();
    options.push_path(path).ok()?;
    if let Some(accept) = observer.accept {
        options.push(option::ACCEPT, accept).ok()?;
    }
    let mut writer = Writer::plaintext(encoded, Code::GET).ok()?;
    writer.options(&options).ok()?;
    let length = writer.finish();
    let plain = encoded.get(..length)?;
    Message::parse_plaintext(plain, Type::NonConfirmable, 0, Token::EMPTY).ok()
}
