//! The client: `ace_client_*`.

use core::ffi::c_char;
use core::ptr;
use core::time::Duration;

#[cfg(feature = "dtls")]
use ::ace_client::DtlsCredential;
use ::ace_client::{AsSecurity, Client, ClientError, Config, Instant, Request, RequestError};
use ace_coap::Transmit;
#[cfg(feature = "oscore")]
use ace_crypto::{Aead, Hkdf};
#[cfg(feature = "rpk")]
use ace_crypto::{SigningKey, VerifyingKey};
#[cfg(feature = "oscore")]
use ace_oscore::Parameters;
use ace_wire::ace::Scope;
use ace_wire::coap::Code;

use crate::ace_status::{self, *};
use crate::bytes::{ace_bytes, store, text};
use crate::drbg::Drbg;
use crate::event::ace_client_event;
use crate::handle::{Engine, Handle};
use crate::image::Image;
#[cfg(feature = "rpk")]
use crate::keys::{public_key, signing_key};
use crate::{ACE_SEED_SIZE, ace_address, done, known, or_nothing};

/// Bytes of memory for a client; to be aligned to ACE_ALIGN.
#[cfg(target_pointer_width = "32")]
pub const ACE_CLIENT_SIZE: usize = 8704;
/// Bytes of memory for a client; to be aligned to ACE_ALIGN.
#[cfg(target_pointer_width = "64")]
pub const ACE_CLIENT_SIZE: usize = 10240;

/// Longest state that a client asks to be saved, in bytes.
pub const ACE_CLIENT_STATE_SIZE: usize = 960;

/// Tokens at once, bytes per token with its key, of a body, messages, bytes of a message, bytes of a handshake.
type Inner = Client<'static, ace_address, Image<ACE_CLIENT_STATE_SIZE>, 2, 448, 512, 3, 384, 896>;

/// A client. Opaque: it lies in memory that the caller gave to ace_client_init, until ace_client_deinit.
pub struct ace_client {
    random: Drbg,
    engine: Inner,
}

/// Keys that the engine borrows.
pub(crate) struct Keys {
    #[cfg(feature = "rpk")]
    own: Option<SigningKey>,
    #[cfg(feature = "rpk")]
    authorization_server: Option<VerifyingKey>,
}

impl core::fmt::Debug for ace_client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ace_client").finish_non_exhaustive()
    }
}

impl Engine for ace_client {
    const MARK: u64 = 0x4143_4543_4c49_3031;
    type Base = Keys;
}

const _: () = assert!(Handle::<ace_client>::SIZE <= ACE_CLIENT_SIZE);

/// Client and authorization server share an OSCORE security context: `master_secret`, `master_salt`, `sender_id`,
/// `recipient_id`, `id_context`.
pub const ACE_SECURITY_OSCORE: u8 = 0;
/// They share a key for DTLS: `psk_identity`, `psk`.
pub const ACE_SECURITY_PSK: u8 = 1;
/// They know each other's public key for DTLS: `private_key` and its `curve`, `as_public_key`.
pub const ACE_SECURITY_RPK: u8 = 2;

/// What a client is told once. All zero is a good start; set what `as_security` needs.
///
/// Everything it points to stays valid and unchanged until ace_client_deinit, except `private_key`, which is copied.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ace_client_config {
    /// Where the authorization server is.
    pub as_address: ace_address,
    /// Its token endpoint, as in the bundle: `coap://…/token` for OSCORE, `coaps://…/token` for DTLS.
    pub as_uri: *const c_char,
    /// How it is spoken to: ACE_SECURITY_OSCORE and so on.
    pub as_security: u8,
    /// OSCORE: Master Secret.
    pub master_secret: ace_bytes,
    /// OSCORE: Master Salt; may be empty.
    pub master_salt: ace_bytes,
    /// OSCORE: the client's Sender ID.
    pub sender_id: ace_bytes,
    /// OSCORE: the client's Recipient ID.
    pub recipient_id: ace_bytes,
    /// OSCORE: ID Context; `data` null if there is none.
    pub id_context: ace_bytes,
    /// OSCORE: COSE number of the AEAD; 0: 10, AES-CCM-16-64-128.
    pub aead: i32,
    /// OSCORE: COSE number of the HKDF; 0: -10, HKDF SHA-256.
    pub hkdf: i32,
    /// PSK: identity towards the authorization server.
    pub psk_identity: ace_bytes,
    /// PSK: key.
    pub psk: ace_bytes,
    /// RPK, also towards resource servers: the client's private key, 32 bytes; empty if there is none.
    pub private_key: ace_bytes,
    /// RPK: its curve, ACE_P256 or ACE_ED25519.
    pub curve: u8,
    /// RPK: the authorization server's public key, a SubjectPublicKeyInfo in DER.
    pub as_public_key: ace_bytes,
    /// PSK towards resource servers: the whole token goes into the handshake instead of to `/authz-info` first; 0 or 1.
    pub token_in_handshake: u8,
    /// Seconds before its end at which a token is renewed; 0: 60.
    pub renew_before: u32,
}

/// A request.
///
/// Everything it points to is copied by ace_client_request.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ace_request {
    /// CoAP code of the method: ACE_GET, ACE_POST, ACE_PUT, ACE_DELETE and others.
    pub method: u8,
    /// Absolute path, `/temp`, without percent-encoding.
    pub path: *const c_char,
    /// Query without the question mark; null for none.
    pub query: *const c_char,
    /// Body; empty for none.
    pub payload: ace_bytes,
    /// Content-Format of the body; ACE_NO_FORMAT for none.
    pub content_format: u16,
    /// Content-Format wanted; ACE_NO_FORMAT for any.
    pub accept: u16,
    /// Observe the resource (RFC 7641); 0 or 1.
    pub observe: u8,
    /// Audience to ask for; null: the one that the resource server hints at, with one more exchange.
    pub audience: *const c_char,
    /// Scope to ask for, as text; null: the one that the resource server hints at, or the default.
    pub scope: *const c_char,
}

/// CoAP's GET.
pub const ACE_GET: u8 = 0x01;
/// CoAP's POST.
pub const ACE_POST: u8 = 0x02;
/// CoAP's PUT.
pub const ACE_PUT: u8 = 0x03;
/// CoAP's DELETE.
pub const ACE_DELETE: u8 = 0x04;
/// No Content-Format.
pub const ACE_NO_FORMAT: u16 = 0xffff;

/// Makes a client in `memory` of `size` bytes, at least ACE_CLIENT_SIZE, aligned to ACE_ALIGN.
///
/// `seed` is ACE_SEED_SIZE bytes of fresh entropy, new at every start: all randomness of the client comes from it.
/// `state` is what was saved last, as ace_client_unsaved gave it, or empty at the very first start: if there was a state and
/// it is lost, give the device new keys. On success `*client` is the handle.
///
/// Ownership: the memory is the client's until ace_client_deinit, and must not be moved or copied; what `config` points to
/// stays valid and unchanged until then, `seed`, `state` and `config` itself only during the call. Threads: one call at a time
/// on one handle, from any thread. Errors: ACE_ERR_NULL, ACE_ERR_MEMORY, ACE_ERR_CONFIG, ACE_ERR_KEY, ACE_ERR_UNSUPPORTED,
/// ACE_ERR_STATE, ACE_ERR_ARGUMENT; then there is no client.
///
/// # Safety
/// Pointers are null or valid as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_init(
    memory: *mut u8,
    size: usize,
    config: *const ace_client_config,
    seed: *const u8,
    state: ace_bytes,
    client: *mut *mut ace_client,
) -> ace_status {
    done(|| {
        if config.is_null() || client.is_null() || seed.is_null() {
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
            let keys = config.keys()?;
            Handle::<ace_client>::init(memory, size, keys, |keys, place| {
                let config = config.read(keys)?;
                match Client::new(config, image, &mut random) {
                    Ok(engine) => {
                        // Field by field, so that it does not stand on the stack once more.
                        let place = place.as_mut_ptr();
                        ptr::addr_of_mut!((*place).engine).write(engine);
                        ptr::addr_of_mut!((*place).random).write(random);
                        Ok(())
                    }
                    Err(ClientError::Storage) => Err(ACE_ERR_STATE),
                    Err(_) => Err(ACE_ERR_CONFIG),
                }
            })?
        };
        // SAFETY: not null, and the caller's word.
        unsafe { store(client, handle.cast()) }
    })
}

impl ace_client_config {
    /// # Safety
    /// The pointers are null or valid for the call.
    #[cfg_attr(
        not(feature = "rpk"),
        expect(clippy::unnecessary_wraps, reason = "one signature for all features")
    )]
    unsafe fn keys(&self) -> Result<Keys, ace_status> {
        #[cfg(feature = "rpk")]
        {
            // SAFETY: the caller's word.
            let (private, public) =
                unsafe { (self.private_key.some()?, self.as_public_key.some()?) };
            Ok(Keys {
                own: private
                    .map(|key| signing_key(self.curve, key))
                    .transpose()?,
                authorization_server: public.map(public_key).transpose()?,
            })
        }
        #[cfg(not(feature = "rpk"))]
        Ok(Keys {})
    }

    /// # Safety
    /// The pointers are null or valid until the engine ends.
    unsafe fn read(&self, keys: &'static Keys) -> Result<Config<'static, ace_address>, ace_status> {
        // SAFETY: the caller's word.
        let uri = unsafe { text(self.as_uri)? }.ok_or(ACE_ERR_NULL)?;
        // SAFETY: the caller's word.
        let security = unsafe { self.security(keys)? };
        let address = match security {
            #[cfg(feature = "dtls")]
            AsSecurity::Dtls(_) => self.as_address.coaps(),
            _ => self.as_address,
        };
        let mut config = Config::new(address, uri, security);
        #[cfg(feature = "dtls")]
        {
            config.coaps = ace_address::coaps;
            config.token_in_handshake = self.token_in_handshake != 0;
        }
        #[cfg(feature = "rpk")]
        {
            config.own_key = keys.own.as_ref();
        }
        config.block_size = 256;
        if self.renew_before > 0 {
            config.renew_before = Duration::from_secs(self.renew_before.into());
        }
        Ok(config)
    }

    /// # Safety
    /// As for `read`.
    unsafe fn security(&self, keys: &'static Keys) -> Result<AsSecurity<'static>, ace_status> {
        let _ = keys;
        match self.as_security {
            #[cfg(feature = "oscore")]
            // SAFETY: the caller's word.
            ACE_SECURITY_OSCORE => unsafe {
                let or =
                    |number: i32, default: i64| if number == 0 { default } else { number.into() };
                Ok(AsSecurity::Oscore(Parameters {
                    master_secret: self.master_secret.some()?.ok_or(ACE_ERR_KEY)?,
                    master_salt: self.master_salt.get()?,
                    sender_id: self.sender_id.get()?,
                    recipient_id: self.recipient_id.get()?,
                    id_context: if self.id_context.data.is_null() {
                        None
                    } else {
                        Some(self.id_context.get()?)
                    },
                    aead: Aead::from_cose(or(self.aead, 10)).ok_or(ACE_ERR_UNSUPPORTED)?,
                    hkdf: Hkdf::from_cose(or(self.hkdf, -10)).ok_or(ACE_ERR_UNSUPPORTED)?,
                }))
            },
            #[cfg(feature = "dtls")]
            // SAFETY: the caller's word.
            ACE_SECURITY_PSK => unsafe {
                Ok(AsSecurity::Dtls(DtlsCredential::Psk {
                    identity: self.psk_identity.some()?.ok_or(ACE_ERR_CONFIG)?,
                    key: self.psk.some()?.ok_or(ACE_ERR_KEY)?,
                }))
            },
            #[cfg(feature = "rpk")]
            ACE_SECURITY_RPK => Ok(AsSecurity::Dtls(DtlsCredential::Rpk {
                key: keys.own.as_ref().ok_or(ACE_ERR_KEY)?,
                peer: keys.authorization_server.as_ref().ok_or(ACE_ERR_KEY)?,
            })),
            _ => Err(ACE_ERR_UNSUPPORTED),
        }
    }
}

/// Ends a client and wipes its memory, which is the caller's again.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// The handle comes from ace_client_init or is no handle; nothing that the client lent is used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_deinit(client: *mut ace_client) -> ace_status {
    // SAFETY: the caller's word.
    done(|| unsafe { Handle::<ace_client>::deinit(client) })
}

/// Takes a request to the resource server at `address`; its end is told by ace_client_poll_event.
///
/// `now`: milliseconds of a clock that never goes back. `wall`: seconds since 1970, 0 if not known. `request` and all it points
/// to are copied. Errors: ACE_ERR_NULL, ACE_ERR_HANDLE, ACE_ERR_ARGUMENT (method, path, query or text), ACE_ERR_TOO_LONG,
/// ACE_ERR_BUSY until the request before has ended and its end was polled.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_request(
    client: *mut ace_client,
    now: u64,
    wall: u64,
    address: *const ace_address,
    request: *const ace_request,
) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let client = unsafe { Handle::engine(client)? };
        if address.is_null() || request.is_null() {
            return Err(ACE_ERR_NULL);
        }
        // SAFETY: not null, and the caller's word.
        let (address, request) = unsafe { (*address, (*request).read()?) };
        let ace_client { random, engine } = client;
        engine
            .request(Instant(now), known(wall), address, request, random)
            .map_err(|error| match error {
                RequestError::Busy => ACE_ERR_BUSY,
                RequestError::TooLong => ACE_ERR_TOO_LONG,
                _ => ACE_ERR_ARGUMENT,
            })
    })
}

impl ace_request {
    /// # Safety
    /// The pointers are null or valid for `'a`.
    unsafe fn read<'a>(&self) -> Result<Request<'a>, ace_status> {
        let format = |number: u16| (number != ACE_NO_FORMAT).then_some(number);
        // SAFETY: the caller's word.
        unsafe {
            let mut request =
                Request::new(Code(self.method), text(self.path)?.ok_or(ACE_ERR_NULL)?);
            request.query = text(self.query)?;
            request.payload = self.payload.get()?;
            request.content_format = format(self.content_format);
            request.accept = format(self.accept);
            request.observe = self.observe != 0;
            request.audience = text(self.audience)?;
            request.scope = text(self.scope)?.map(Scope::Text);
            Ok(request)
        }
    }
}

/// Gives up the request under way; no event tells its end. What the resource server does with it is not known.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// The handle comes from ace_client_init or is no handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_cancel(client: *mut ace_client) -> ace_status {
    // SAFETY: the caller's word.
    done(|| unsafe { Handle::engine(client) }.map(|client| client.engine.cancel()))
}

/// Ends the observation.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// The handle comes from ace_client_init or is no handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_cancel_observation(client: *mut ace_client) -> ace_status {
    // SAFETY: the caller's word.
    done(|| unsafe { Handle::engine(client) }.map(|client| client.engine.cancel_observation()))
}

/// Takes a datagram that came from `address`, CoAP or DTLS. It may be anything: what is not for the client is dropped.
///
/// The bytes are changed (decrypted in place), and are the caller's again when the call returns. Errors: ACE_ERR_NULL,
/// ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid; `datagram` for reads and writes of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_handle(
    client: *mut ace_client,
    now: u64,
    wall: u64,
    address: *const ace_address,
    datagram: *mut u8,
    length: usize,
) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let client = unsafe { Handle::engine(client)? };
        if address.is_null() || datagram.is_null() {
            return Err(ACE_ERR_NULL);
        }
        // SAFETY: not null, and the caller's word.
        let (address, datagram) =
            unsafe { (*address, core::slice::from_raw_parts_mut(datagram, length)) };
        let ace_client { random, engine } = client;
        engine.handle(Instant(now), known(wall), address, datagram, random);
        Ok(())
    })
}

/// The next datagram to send, until ACE_NOTHING; to be called after every other call.
///
/// `*datagram` is lent until the next call on this handle. Errors: ACE_ERR_NULL, ACE_ERR_HANDLE, ACE_ERR_UNSAVED: what the
/// datagram relies on must be saved first, see ace_client_unsaved.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_poll_transmit(
    client: *mut ace_client,
    now: u64,
    address: *mut ace_address,
    datagram: *mut ace_bytes,
) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let client = unsafe { Handle::engine(client)? };
        if address.is_null() || datagram.is_null() {
            return Err(ACE_ERR_NULL);
        }
        if client.engine.storage_mut().is_unsaved() {
            return Err(ACE_ERR_UNSAVED);
        }
        let Some(Transmit {
            peer,
            datagram: bytes,
            ..
        }) = client.engine.poll_transmit(Instant(now))
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

/// The next event, until ACE_NOTHING. What it points to is lent until the next call on this handle.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_poll_event(
    client: *mut ace_client,
    event: *mut ace_client_event,
) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let client = unsafe { Handle::engine(client)? };
        if event.is_null() {
            return Err(ACE_ERR_NULL);
        }
        match client.engine.poll_event() {
            None => Ok(None),
            // SAFETY: not null, and the caller's word.
            Some(told) => unsafe { store(event, ace_client_event::of(&told)) }.map(Some),
        }
    })
}

/// When ace_client_handle_timeout is to be called, by the clock of `now`; ACE_NOTHING if nothing is to come. To be asked again
/// after every call.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_poll_timeout(
    client: *mut ace_client,
    at: *mut u64,
) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let client = unsafe { Handle::engine(client)? };
        match client.engine.poll_timeout() {
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
/// The handle comes from ace_client_init or is no handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_handle_timeout(
    client: *mut ace_client,
    now: u64,
    wall: u64,
) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let ace_client { random, engine } = unsafe { Handle::engine(client)? };
        engine.handle_timeout(Instant(now), known(wall), random);
        Ok(())
    })
}

/// The state that must be saved before anything more is sent, at most ACE_CLIENT_STATE_SIZE bytes; ACE_NOTHING if the saved one
/// is current. It holds keys: keep it as safe as those.
///
/// Save it so that neither a loss of power nor a damaged place of the flash brings back an older one (ace_state_newest says how),
/// then call ace_client_saved. `*state` is lent until the next call on this handle. Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_unsaved(
    client: *mut ace_client,
    state: *mut ace_bytes,
) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let client = unsafe { Handle::engine(client)? };
        match client.engine.storage_mut().unsaved() {
            _ if state.is_null() => Err(ACE_ERR_NULL),
            None => Ok(None),
            // SAFETY: not null, and the caller's word.
            Some(bytes) => unsafe { store(state, ace_bytes::lend(bytes)) }.map(Some),
        }
    })
}

/// The state that ace_client_unsaved gave last is saved. If it changed since then, it is still unsaved.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// The handle comes from ace_client_init or is no handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_saved(client: *mut ace_client) -> ace_status {
    // SAFETY: the caller's word.
    done(|| unsafe { Handle::engine(client) }.map(|client| client.engine.storage_mut().saved()))
}

/// Adds `length` bytes of entropy to the randomness of the client.
///
/// Errors: ACE_ERR_NULL, ACE_ERR_HANDLE.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_client_reseed(
    client: *mut ace_client,
    entropy: ace_bytes,
) -> ace_status {
    done(|| {
        // SAFETY: the caller's word.
        let (client, entropy) = unsafe { (Handle::engine(client)?, entropy.get()?) };
        client.random.update(entropy);
        Ok(())
    })
}
