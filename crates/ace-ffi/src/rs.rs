//! The resource server: `ace_rs_*`. Resources are values: GET answers what the firmware set last, what is written comes as an
//! event.

use core::cell::OnceCell;
use core::ffi::c_char;
use core::ptr;

use ::ace_rs::{
    Access, Config, EventKind, Link, MethodSet, Outcome, Request, Resource, ResourceServer,
    Resources, Response, Revoke, TokenKey, TrustedKey,
};
use ace_coap::{Instant, Slot, Transmit};
use ace_crypto::Aead;
use ace_wire::coap::Code;
use zeroize::Zeroize;

use crate::ace_status::{self, *};
use crate::bytes::{ace_bytes, store, text};
use crate::client::ACE_NO_FORMAT;
use crate::drbg::Drbg;
use crate::handle::{Engine, Handle};
use crate::image::Image;
use crate::{ACE_SEED_SIZE, ace_address, done, known, or_nothing};

/// Bytes of memory for a resource server; to be aligned to ACE_ALIGN.
#[cfg(target_pointer_width = "32")]
pub const ACE_RS_SIZE: usize = 12800;
/// Bytes of memory for a resource server; to be aligned to ACE_ALIGN.
#[cfg(target_pointer_width = "64")]
pub const ACE_RS_SIZE: usize = 15872;

/// Longest state that a resource server asks to be saved, in bytes.
pub const ACE_RS_STATE_SIZE: usize = 64;

/// Most resources of a resource server.
pub const ACE_RS_RESOURCES: usize = 8;

/// Longest value written to a resource, in bytes.
pub const ACE_RS_WRITE_SIZE: usize = 256;

/// CoAP slots; tokens, those unconfirmed, observations, bytes of scope, transfers, bytes of a body and of a message; sessions,
/// handshakes, bytes of a handshake.
type Inner = ResourceServer<
    'static,
    ace_address,
    Values,
    Image<ACE_RS_STATE_SIZE>,
    [Slot<Link<ace_address>, 384>; 4],
    4,
    2,
    2,
    160,
    2,
    512,
    384,
    2,
    1,
    896,
>;

/// A resource server. Opaque: it lies in memory that the caller gave to ace_rs_init, until ace_rs_deinit.
pub struct ace_rs {
    random: Drbg,
    engine: Inner,
}

/// What the engine borrows.
pub(crate) struct Base {
    #[cfg(feature = "rpk")]
    own_key: Option<ace_crypto::SigningKey>,
    audiences: [&'static str; 1],
    token_keys: [TrustedKey<'static>; 1],
    as_uri: &'static str,
    #[cfg(feature = "dtls")]
    key_derivation_key: Option<&'static [u8]>,
    config: OnceCell<Config<'static>>,
}

impl core::fmt::Debug for ace_rs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ace_rs").finish_non_exhaustive()
    }
}

impl Engine for ace_rs {
    const MARK: u64 = 0x4143_4552_5352_3031;
    type Base = Base;
}

const _: () = assert!(Handle::<ace_rs>::SIZE <= ACE_RS_SIZE);

/// GET on a resource is allowed.
pub const ACE_METHOD_GET: u32 = 1;
/// POST on a resource is allowed, and told as a write.
pub const ACE_METHOD_POST: u32 = 1 << 1;
/// PUT on a resource is allowed, and told as a write.
pub const ACE_METHOD_PUT: u32 = 1 << 2;
/// DELETE on a resource is allowed, and told as a write.
pub const ACE_METHOD_DELETE: u32 = 1 << 3;

/// A resource.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ace_resource {
    /// Absolute path, `/temp`; valid until ace_rs_deinit.
    pub path: *const c_char,
    /// The methods it has: ACE_METHOD_GET and so on, added.
    pub methods: u32,
    /// Anyone may use it, without a token; 0 or 1.
    pub is_public: u8,
    /// Its changes may be observed (RFC 7641); 0 or 1.
    pub is_observable: u8,
    /// Where its value is kept, of `size` bytes: the caller's, used by the server until ace_rs_deinit.
    pub value: *mut u8,
    /// The longest value.
    pub size: usize,
    /// Content-Format of the value; ACE_NO_FORMAT for none.
    pub content_format: u16,
}

/// What a resource server is told once. All zero is a good start. What it points to stays valid and unchanged until
/// ace_rs_deinit, except `private_key` and `resources` itself, which are copied.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ace_rs_config {
    /// The audience of its tokens, as in the bundle.
    pub audience: *const c_char,
    /// The issuer of its tokens, as in the bundle.
    pub issuer: *const c_char,
    /// URI of the token endpoint, told to clients without a token; null leaves it out.
    pub as_uri: *const c_char,
    /// Key identifier of the token key.
    pub token_kid: ace_bytes,
    /// COSE number of its algorithm; 0: 10, AES-CCM-16-64-128. With the profile of raw public keys also -7 and -8, for tokens
    /// that are signed.
    pub token_alg: i32,
    /// The token key: the secret, or for signed tokens the authorization server's public key, a SubjectPublicKeyInfo in DER.
    pub token_key: ace_bytes,
    /// Derives the keys of DTLS clients whose token only names one (RFC 9202, 3.3.1); empty if there is none.
    pub key_derivation_key: ace_bytes,
    /// Its own private key for raw public keys, 32 bytes; empty if there is none.
    pub private_key: ace_bytes,
    /// The curve of it, ACE_P256 or ACE_ED25519.
    pub curve: u8,
    /// The resources, at most ACE_RS_RESOURCES.
    pub resources: *const ace_resource,
    /// How many.
    pub resource_count: usize,
}

/// The resources, and the write that was not told yet.
pub(crate) struct Values {
    list: [Resource; ACE_RS_RESOURCES],
    values: [Value; ACE_RS_RESOURCES],
    count: usize,
    write: Write,
}

#[derive(Clone, Copy)]
struct Value {
    bytes: *mut u8,
    size: usize,
    length: usize,
    content_format: u16,
}

/// What a client wrote.
struct Write {
    waiting: bool,
    resource: usize,
    method: Code,
    content_format: u16,
    token: u32,
    length: usize,
    payload: [u8; ACE_RS_WRITE_SIZE],
}

impl Value {
    const NONE: Self = Self {
        bytes: core::ptr::null_mut(),
        size: 0,
        length: 0,
        content_format: ACE_NO_FORMAT,
    };

    fn get(&self) -> &[u8] {
        match self.length.min(self.size) {
            0 => &[],
            // SAFETY: `ace_rs_init` was given `size` bytes for the life of the server, of which `length` were written.
            length => unsafe { core::slice::from_raw_parts(self.bytes, length) },
        }
    }

    /// # Safety
    /// `value` is null or valid for reads; it may overlap with where it goes.
    unsafe fn set(&mut self, value: ace_bytes) -> Result<(), ace_status> {
        if value.length > self.size {
            return Err(ACE_ERR_TOO_LONG);
        }
        if value.length > 0 {
            // SAFETY: as above, and the caller's word; through pointers alone, for the bytes may be the same.
            unsafe { ptr::copy(value.data, self.bytes, value.length) };
        }
        self.length = value.length;
        Ok(())
    }
}

impl Resources for Values {
    fn list(&self) -> &[Resource] {
        self.list.get(..self.count).unwrap_or(&[])
    }

    fn handle(&mut self, request: &Request<'_>, response: &mut Response<'_>) -> Code {
        let Some(index) = self
            .list()
            .iter()
            .position(|resource| resource.path == request.path)
        else {
            return Code::NOT_FOUND;
        };
        if request.method == Code::GET {
            let Some(value) = self.values.get(index) else {
                return Code::NOT_FOUND;
            };
            response.write(value.get());
            response.content_format =
                (value.content_format != ACE_NO_FORMAT).then_some(value.content_format);
            return Code::CONTENT;
        }
        let write = &mut self.write;
        if write.waiting {
            // The firmware has not looked yet.
            response.max_age = Some(1);
            return Code::SERVICE_UNAVAILABLE;
        }
        let Some(room) = write.payload.get_mut(..request.payload.len()) else {
            return Code::REQUEST_ENTITY_TOO_LARGE;
        };
        room.copy_from_slice(request.payload);
        write.length = request.payload.len();
        write.resource = index;
        write.method = request.method;
        write.content_format = request.content_format.unwrap_or(ACE_NO_FORMAT);
        write.token = request.who.map_or(0, |who| who.token.0);
        write.waiting = true;
        if request.method == Code::DELETE {
            Code::DELETED
        } else {
            Code::CHANGED
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.payload.zeroize();
    }
}

/// What a resource server has to tell.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ace_rs_event_kind {
    /// A client that was allowed to wrote: `resource`, `method`, `content_format`, `payload`. It has its answer already; the next
    /// write is answered 5.03 until this event is polled.
    ACE_RS_WRITTEN = 0,
    /// A token was posted; its presenter has not proven possession of the key yet.
    ACE_RS_TOKEN_ACCEPTED = 1,
    /// The presenter has: the token is in force.
    ACE_RS_TOKEN_CONFIRMED = 2,
    /// A token's rights were replaced.
    ACE_RS_TOKEN_UPDATED = 3,
    /// A token was refused.
    ACE_RS_TOKEN_REFUSED = 4,
    /// A token ended: by time, by revocation, or by the client's next one.
    ACE_RS_TOKEN_ENDED = 5,
    /// A request was decided: `code` is the answer; `is_allowed` if a handler ran or a value was read.
    ACE_RS_REQUEST = 6,
    /// Anything else: a message that does not verify, a handshake, a session.
    ACE_RS_OTHER = 7,
}

/// What a resource server tells. What does not belong to its kind is zero.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ace_rs_event {
    /// What happened.
    pub kind: ace_rs_event_kind,
    /// Number of the token it is about; 0 if none is known.
    pub token: u32,
    /// Index of the resource.
    pub resource: usize,
    /// Method of a write, as in CoAP.
    pub method: u8,
    /// Code of an answer, as in CoAP.
    pub code: u8,
    /// Whether a request was allowed.
    pub is_allowed: bool,
    /// Content-Format of a write; ACE_NO_FORMAT if it has none.
    pub content_format: u16,
    /// What was written; lent until the next call on the handle.
    pub payload: ace_bytes,
}

/// Makes a resource server in `memory` of `size` bytes, at least ACE_RS_SIZE, aligned to ACE_ALIGN.
///
/// `seed` and `state` as for ace_client_init. On success `*rs` is the handle.
///
/// Ownership: the memory is the server's until ace_rs_deinit, and must not be moved or copied; what `config` points to stays valid
/// and unchanged until then, `seed`, `state` and `config` itself only during the call. Threads: one call at a time on one handle, from
/// any thread. Errors: ACE_ERR_NULL, ACE_ERR_MEMORY, ACE_ERR_CONFIG, ACE_ERR_KEY, ACE_ERR_UNSUPPORTED, ACE_ERR_STATE,
/// ACE_ERR_ARGUMENT; then there is no server.
///
/// # Safety
/// Pointers are null or valid as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_init(
    memory: *mut u8,
    size: usize,
    config: *const ace_rs_config,
    seed: *const u8,
    state: ace_bytes,
    rs: *mut *mut ace_rs,
) -> ace_status {
    done(|| {
        if config.is_null() || rs.is_null() || seed.is_null() {
            return Err(ACE_ERR_NULL);
        }
        // SAFETY: not null, and the caller's word.
        let (config, seed, state) = unsafe {
            let seed = core::slice::from_raw_parts(seed, ACE_SEED_SIZE);
            (&*config, seed, state.get()?)
        };
        let image = match state {
            [] => Image::new(),
            saved => Image::restore(saved).ok_or(ACE_ERR_STATE)?,
        };
        let mut random = Drbg::new(seed);
        // SAFETY: the caller's word.
        let handle = unsafe {
            let (base, values) = (config.base()?, config.values()?);
            Handle::<ace_rs>::init(memory, size, base, |base, place| {
                let slots = [const { Slot::new() }; 4];
                match ResourceServer::new(base.config(), values, image, slots, &mut random) {
                    Ok(engine) => {
                        // Field by field, so that it does not stand on the stack once more.
                        let place = place.as_mut_ptr();
                        ptr::addr_of_mut!((*place).engine).write(engine);
                        ptr::addr_of_mut!((*place).random).write(random);
                        Ok(())
                    }
                    Err(_) => Err(ACE_ERR_CONFIG),
                }
            })?
        };
        // SAFETY: not null, and the caller's word.
        unsafe { store(rs, handle.cast()) }
    })
}

impl Base {
    fn config(&'static self) -> &'static Config<'static> {
        self.config.get_or_init(|| {
            let mut config = Config::new(&self.audiences, self.as_uri, &self.token_keys);
            config.limits.block_size = 256;
            #[cfg(feature = "dtls")]
            {
                config.key_derivation_key = self.key_derivation_key;
            }
            #[cfg(feature = "rpk")]
            {
                config.own_key = self.own_key.as_ref();
            }
            config
        })
    }
}

impl ace_rs_config {
    /// # Safety
    /// The pointers are null or valid until the engine ends.
    unsafe fn base(&self) -> Result<Base, ace_status> {
        // SAFETY: the caller's word.
        unsafe {
            let issuer = text(self.issuer)?.ok_or(ACE_ERR_NULL)?;
            Ok(Base {
                #[cfg(feature = "rpk")]
                own_key: self
                    .private_key
                    .some()?
                    .map(|key| crate::keys::signing_key(self.curve, key))
                    .transpose()?,
                audiences: [text(self.audience)?.ok_or(ACE_ERR_NULL)?],
                token_keys: [TrustedKey {
                    kid: self.token_kid.some()?,
                    issuer,
                    key: self.token_key()?,
                }],
                as_uri: text(self.as_uri)?.unwrap_or(""),
                #[cfg(feature = "dtls")]
                key_derivation_key: self.key_derivation_key.some()?,
                config: OnceCell::new(),
            })
        }
    }

    /// # Safety
    /// As for `base`.
    unsafe fn token_key(&self) -> Result<TokenKey<'static>, ace_status> {
        // SAFETY: the caller's word.
        let key = unsafe { self.token_key.some()? }.ok_or(ACE_ERR_KEY)?;
        match self.token_alg {
            #[cfg(feature = "rpk")]
            alg @ (-8 | -7) => {
                let key = TokenKey::Verify(crate::keys::public_key(key)?);
                (key.algorithm() == i64::from(alg))
                    .then_some(key)
                    .ok_or(ACE_ERR_KEY)
            }
            alg => {
                let alg = if alg == 0 { 10 } else { alg.into() };
                let aead = Aead::from_cose(alg).ok_or(ACE_ERR_UNSUPPORTED)?;
                if key.len() != aead.key_len() {
                    return Err(ACE_ERR_KEY);
                }
                Ok(TokenKey::Aead(aead, key))
            }
        }
    }

    /// # Safety
    /// As for `base`.
    unsafe fn values(&self) -> Result<Values, ace_status> {
        if self.resources.is_null() {
            return Err(ACE_ERR_NULL);
        }
        if self.resource_count > ACE_RS_RESOURCES {
            return Err(ACE_ERR_TOO_LONG);
        }
        // SAFETY: not null, and the caller's word.
        let resources = unsafe { core::slice::from_raw_parts(self.resources, self.resource_count) };
        let mut values = Values {
            list: [Resource::new("", MethodSet::EMPTY); ACE_RS_RESOURCES],
            values: [Value::NONE; ACE_RS_RESOURCES],
            count: resources.len(),
            write: Write {
                waiting: false,
                resource: 0,
                method: Code::EMPTY,
                content_format: ACE_NO_FORMAT,
                token: 0,
                length: 0,
                payload: [0; ACE_RS_WRITE_SIZE],
            },
        };
        for ((resource, listed), value) in resources
            .iter()
            .zip(&mut values.list)
            .zip(&mut values.values)
        {
            let methods = MethodSet((resource.methods & 0b1111).into());
            // SAFETY: the caller's word.
            let path = unsafe { text(resource.path)? }.ok_or(ACE_ERR_NULL)?;
            if !path.starts_with('/') {
                return Err(ACE_ERR_CONFIG);
            }
            if resource.value.is_null() && resource.size > 0 {
                return Err(ACE_ERR_NULL);
            }
            *listed = Resource::new(path, methods);
            listed.observable = resource.is_observable != 0;
            if resource.is_public != 0 {
                listed.access = Access::Public;
            }
            *value = Value {
                bytes: resource.value,
                size: resource.size,
                length: 0,
                content_format: resource.content_format,
            };
        }
        Ok(values)
    }
}

/// Ends a resource server and wipes its memory, which is the caller's again. Clients are not told.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// The handle comes from ace_rs_init or is no handle; nothing that the server lent is used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_deinit(rs: *mut ace_rs) -> ace_status {
    // SAFETY: the caller's word.
    done(|| unsafe { Handle::<ace_rs>::deinit(rs) })
}

/// Takes a datagram that came from `address`, CoAP or DTLS; as ace_client_handle.
///
/// # Safety
/// Pointers are null or valid; `datagram` for reads and writes of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_handle(
    rs: *mut ace_rs,
    now: u64,
    wall: u64,
    address: *const ace_address,
    datagram: *mut u8,
    length: usize,
) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let rs = unsafe { Handle::engine(rs)? };
        if address.is_null() || datagram.is_null() {
            return Err(ACE_ERR_NULL);
        }
        // SAFETY: not null, and the caller's word.
        let (address, datagram) =
            unsafe { (*address, core::slice::from_raw_parts_mut(datagram, length)) };
        let ace_rs { random, engine } = rs;
        engine.handle(Instant(now), known(wall), address, datagram, random);
        Ok(())
    })
}

/// The next datagram to send, until ACE_NOTHING; as ace_client_poll_transmit.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_poll_transmit(
    rs: *mut ace_rs,
    now: u64,
    address: *mut ace_address,
    datagram: *mut ace_bytes,
) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let rs = unsafe { Handle::engine(rs)? };
        if address.is_null() || datagram.is_null() {
            return Err(ACE_ERR_NULL);
        }
        if rs.engine.storage_mut().is_unsaved() {
            return Err(ACE_ERR_UNSAVED);
        }
        let Some(Transmit {
            peer,
            datagram: bytes,
            ..
        }) = rs.engine.poll_transmit(Instant(now))
        else {
            return Ok(None);
        };
        // SAFETY: not null, and the caller's word.
        unsafe {
            store(address, peer)?;
            store(datagram, ace_bytes::lend(bytes)).map(Some)
        }
    })
}

/// The next event, until ACE_NOTHING; a write comes first. What it points to is lent until the next call on this handle.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_poll_event(
    rs: *mut ace_rs,
    event: *mut ace_rs_event,
) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let rs = unsafe { Handle::engine(rs)? };
        if event.is_null() {
            return Err(ACE_ERR_NULL);
        }
        let told = if rs.engine.resources().write.waiting {
            let write = &mut rs.engine.resources_mut().write;
            write.waiting = false;
            Some(write.event())
        } else {
            rs.engine.poll_event().map(|event| event_of(&event))
        };
        match told {
            None => Ok(None),
            // SAFETY: not null, and the caller's word.
            Some(told) => unsafe { store(event, told) }.map(Some),
        }
    })
}

impl ace_rs_event {
    const fn of(kind: ace_rs_event_kind) -> Self {
        Self {
            kind,
            token: 0,
            resource: 0,
            method: 0,
            code: 0,
            is_allowed: false,
            content_format: ACE_NO_FORMAT,
            payload: ace_bytes::EMPTY,
        }
    }
}

impl Write {
    fn event(&self) -> ace_rs_event {
        ace_rs_event {
            token: self.token,
            resource: self.resource,
            method: self.method.0,
            is_allowed: true,
            content_format: self.content_format,
            payload: ace_bytes::lend(self.payload.get(..self.length).unwrap_or(&[])),
            ..ace_rs_event::of(ace_rs_event_kind::ACE_RS_WRITTEN)
        }
    }
}

fn event_of(event: &::ace_rs::Event<ace_address>) -> ace_rs_event {
    use ace_rs_event_kind::*;
    let kind = match event.kind {
        EventKind::TokenAccepted => ACE_RS_TOKEN_ACCEPTED,
        EventKind::TokenConfirmed => ACE_RS_TOKEN_CONFIRMED,
        EventKind::TokenUpdated => ACE_RS_TOKEN_UPDATED,
        EventKind::TokenRefused(_) => ACE_RS_TOKEN_REFUSED,
        EventKind::TokenExpired | EventKind::TokenReplaced | EventKind::TokenRevoked => {
            ACE_RS_TOKEN_ENDED
        }
        EventKind::Request { .. } => ACE_RS_REQUEST,
        _ => ACE_RS_OTHER,
    };
    let (code, is_allowed) = match event.kind {
        EventKind::Request {
            answer, outcome, ..
        } => (answer.0, outcome == Outcome::Handled),
        _ => (0, false),
    };
    ace_rs_event {
        token: event.token.map_or(0, |token| token.0),
        code,
        is_allowed,
        ..ace_rs_event::of(kind)
    }
}

/// When ace_rs_handle_timeout is to be called; as ace_client_poll_timeout.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_poll_timeout(rs: *mut ace_rs, at: *mut u64) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let rs = unsafe { Handle::engine(rs)? };
        match rs.engine.poll_timeout() {
            _ if at.is_null() => Err(ACE_ERR_NULL),
            None => Ok(None),
            // SAFETY: not null, and the caller's word.
            Some(due) => unsafe { store(at, due.0) }.map(Some),
        }
    })
}

/// Does what is due at `now`.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// The handle comes from ace_rs_init or is no handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_handle_timeout(rs: *mut ace_rs, now: u64, wall: u64) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let rs = unsafe { Handle::engine(rs)? };
        rs.engine.handle_timeout(Instant(now), known(wall));
        Ok(())
    })
}

/// Sets the value of the resource with this index in the configuration, and tells its observers.
///
/// `value` is copied; it may be the resource's own memory, or part of it, but nothing that the handle lent: copy a payload first.
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE, ACE_ERR_ARGUMENT for an index that is none, ACE_ERR_TOO_LONG.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_set(
    rs: *mut ace_rs,
    now: u64,
    wall: u64,
    resource: usize,
    value: ace_bytes,
) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let rs = unsafe { Handle::engine(rs)? };
        if value.data.is_null() && value.length > 0 {
            return Err(ACE_ERR_NULL);
        }
        let values = rs.engine.resources_mut();
        let listed = values
            .list()
            .get(resource)
            .copied()
            .ok_or(ACE_ERR_ARGUMENT)?;
        let kept = values.values.get_mut(resource).ok_or(ACE_ERR_ARGUMENT)?;
        // SAFETY: not null, and the caller's word.
        unsafe { kept.set(value)? };
        if listed.observable {
            // It is on the list, and observable: nothing else can be wrong.
            let _ = rs.engine.notify(Instant(now), known(wall), listed.path);
        }
        Ok(())
    })
}

/// Ends the tokens with this `cti`; `*count`, which may be null, is how many there were.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_revoke(
    rs: *mut ace_rs,
    now: u64,
    cti: ace_bytes,
    count: *mut usize,
) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let (rs, cti) = unsafe { (Handle::engine(rs)?, cti.get()?) };
        let revoked = rs.engine.revoke(Instant(now), Revoke::Cti(cti));
        if !count.is_null() {
            // SAFETY: not null, and the caller's word.
            unsafe { store(count, revoked)? };
        }
        Ok(())
    })
}

/// The state that must be saved before anything more is sent, at most ACE_RS_STATE_SIZE bytes; as ace_client_unsaved.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_unsaved(rs: *mut ace_rs, state: *mut ace_bytes) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let rs = unsafe { Handle::engine(rs)? };
        match rs.engine.storage_mut().unsaved() {
            _ if state.is_null() => Err(ACE_ERR_NULL),
            None => Ok(None),
            // SAFETY: not null, and the caller's word.
            Some(bytes) => unsafe { store(state, ace_bytes::lend(bytes)) }.map(Some),
        }
    })
}

/// The state that ace_rs_unsaved gave last is saved.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// The handle comes from ace_rs_init or is no handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_saved(rs: *mut ace_rs) -> ace_status {
    // SAFETY: the caller's word.
    done(|| unsafe { Handle::engine(rs) }.map(|rs| rs.engine.storage_mut().saved()))
}

/// Adds entropy to the randomness of the server.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_rs_reseed(rs: *mut ace_rs, entropy: ace_bytes) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let (rs, entropy) = unsafe { (Handle::engine(rs)?, entropy.get()?) };
        rs.random.update(entropy);
        Ok(())
    })
}
