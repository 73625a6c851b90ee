//! New security contexts from one Master Secret, by random numbers in the ID Context (RFC 8613, appendix B.2).
//!
//! For endpoints that keep nothing but the input parameters over a reboot, and have a good source of randomness: without
//! one the protocol must not be used. It gives no forward secrecy.
//!
//! ```text
//!  client                                                        server
//!  FirstRequest::start, protect_request  --- kid context R1 --->  Server::receive -> Received::FirstRequest
//!  SecondRequest::after                  <-- kid context R2 ----  Server::protect_first_response
//!  SecondRequest::protect_request        --- kid context R2R3 ->  Server::receive -> Received::Unprotected
//!  SecondRequest::verify_response        <----------------------  Server::context_mut().protect_response
//!  SecondRequest::into_context
//! ```
//!
//! The server keeps nothing per run but one key (RFC 8613, B.2.1): R2 is a random S2 and its HMAC. A completed run erases
//! the key, and with it every other run under way.

use ace_crypto::{Aead, CryptoRng, Hkdf, Secret, ct_eq, hmac_sha256};
use ace_wire::coap::{Code, Message, Options, Token, Type};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    MAX_ID, MAX_ID_CONTEXT, OscoreError, OscoreOption, Parameters, RequestBinding, SEQUENCE_LIMIT,
    SecurityContext, Unprotected,
    bytes::{Bytes, unwrap_byte_string},
    cose::IdContextParts,
};

/// Longest Master Secret, and longest Master Salt, in bytes.
pub const MAX_SECRET: usize = 64;
/// Length of R1, R3 and S2, in bytes.
const RANDOM_LEN: usize = 8;
/// Length of R2: S2 and eight bytes of its HMAC (RFC 8613, B.2.1).
const R2_LEN: usize = 2 * RANDOM_LEN;

/// The input parameters that are not random; wiped on drop.
pub struct InputMaterial {
    master_secret: Secret<MAX_SECRET>,
    master_salt: Secret<MAX_SECRET>,
    sender_id: Bytes<MAX_ID>,
    recipient_id: Bytes<MAX_ID>,
    aead: Aead,
    hkdf: Hkdf,
}

impl InputMaterial {
    /// Copies the parameters; the ID Context is not among them.
    ///
    /// # Errors
    /// [`OscoreError::SecretTooLong`] above [`MAX_SECRET`], and as [`SecurityContext::derive`].
    pub fn new(parameters: &Parameters<'_>) -> Result<Self, OscoreError> {
        let secret = |bytes| Secret::new(bytes).ok_or(OscoreError::SecretTooLong);
        let id = |bytes| Bytes::new(bytes).ok_or(OscoreError::IdTooLong);
        let material = Self {
            master_secret: secret(parameters.master_secret)?,
            master_salt: secret(parameters.master_salt)?,
            sender_id: id(parameters.sender_id)?,
            recipient_id: id(parameters.recipient_id)?,
            aead: parameters.aead,
            hkdf: parameters.hkdf,
        };
        material.derive([&[], &[]])?;
        Ok(material)
    }

    /// A context whose keys a random number has made new: all its sequence numbers are free.
    fn derive(&self, id_context: IdContextParts<'_>) -> Result<SecurityContext, OscoreError> {
        let parameters = Parameters {
            master_secret: self.master_secret.as_bytes(),
            master_salt: self.master_salt.as_bytes(),
            sender_id: self.sender_id.as_bytes(),
            recipient_id: self.recipient_id.as_bytes(),
            id_context: None,
            aead: self.aead,
            hkdf: self.hkdf,
        };
        let mut context = SecurityContext::derive_with(&parameters, Some(id_context))?;
        context.reserve_up_to(SEQUENCE_LIMIT);
        Ok(context)
    }
}

impl core::fmt::Debug for InputMaterial {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InputMaterial")
            .field("sender_id", &self.sender_id.as_bytes())
            .field("recipient_id", &self.recipient_id.as_bytes())
            .finish_non_exhaustive()
    }
}

/// Client, step 1: a first context under a random R1.
#[derive(Debug)]
pub struct FirstRequest {
    context: SecurityContext,
}

impl FirstRequest {
    /// Draws R1 and derives the first context.
    ///
    /// # Errors
    /// None for material from [`InputMaterial::new`].
    pub fn start(material: &InputMaterial, rng: &mut dyn CryptoRng) -> Result<Self, OscoreError> {
        let r1: [u8; RANDOM_LEN] = random(rng);
        Ok(Self {
            context: material.derive([&r1, &[]])?,
        })
    }

    /// Protects a request; the server will not act on it.
    ///
    /// # Errors
    /// As [`SecurityContext::protect_request`].
    pub fn protect_request(
        &mut self,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<(usize, RequestBinding), OscoreError> {
        protect_wrapped(&mut self.context, message, out)
    }

    /// The first context, for [`SecondRequest::after`].
    #[must_use]
    pub const fn context(&self) -> &SecurityContext {
        &self.context
    }
}

/// Client, step 3: the third context, under the server's R2 and an R3 of its own.
#[derive(Debug)]
pub struct SecondRequest {
    context: SecurityContext,
    confirmed: bool,
}

impl SecondRequest {
    /// Verifies response #1, which carries R2, under the second context, and derives the third.
    ///
    /// `first` is the context that protected the request: [`FirstRequest::context`], or an established one if the server
    /// has lost its own and starts the protocol in its response. `scratch` is as long as the datagram; it is zero
    /// afterwards. On an error nothing has changed: wait for another response.
    ///
    /// # Errors
    /// [`OscoreError::Malformed`] without a wrapped R2 of 1 to 16 bytes, [`OscoreError::ContextNotFound`] if `first` has
    /// no ID Context, and as [`SecurityContext::unprotect_response`].
    pub fn after(
        material: &InputMaterial,
        first: &SecurityContext,
        binding: &mut RequestBinding,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
        scratch: &mut [u8],
    ) -> Result<Self, OscoreError> {
        let option = OscoreOption::of(message)?;
        let r2 = option
            .kid_context
            .and_then(unwrap_byte_string)
            .filter(|r2| (1..=MAX_ID_CONTEXT - RANDOM_LEN).contains(&r2.len()))
            .ok_or(OscoreError::Malformed)?;
        let id1 = first.id_context().ok_or(OscoreError::ContextNotFound)?;
        let second = material.derive([r2, id1])?;

        // RFC 8613, 5.2, takes the nonce from the request, which another Common IV went into; some recompute it.
        let nonces = [
            first.response_nonce(&option, binding),
            second.response_nonce(&option, binding),
        ];
        let mut verified = Err(OscoreError::Decryption);
        for nonce in nonces.iter().skip(usize::from(option.partial_iv.is_some())) {
            verified = second.verify_response(&option, nonce, binding, message, scratch);
            if verified != Err(OscoreError::Decryption) {
                break;
            }
        }
        scratch.zeroize();
        verified?;

        let r3: [u8; RANDOM_LEN] = random(rng);
        Ok(Self {
            context: material.derive([r2, &r3])?,
            confirmed: false,
        })
    }

    /// Protects a request, which may be an ordinary one.
    ///
    /// # Errors
    /// As [`SecurityContext::protect_request`].
    pub fn protect_request(
        &mut self,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<(usize, RequestBinding), OscoreError> {
        protect_wrapped(&mut self.context, message, out)
    }

    /// Verifies the response, after which the context is established (step 5).
    ///
    /// # Errors
    /// As [`SecurityContext::unprotect_response`].
    pub fn verify_response<'o>(
        &mut self,
        binding: &mut RequestBinding,
        message: &Message<'_>,
        out: &'o mut [u8],
    ) -> Result<Message<'o>, OscoreError> {
        let response = self.context.unprotect_response(binding, message, out)?;
        self.confirmed = true;
        Ok(response)
    }

    /// The established context, once a response has verified. It replaces the one before.
    #[must_use]
    pub fn into_context(self) -> Option<SecurityContext> {
        self.confirmed.then_some(self.context)
    }
}

/// The server's side, for one client: its material, the context in use, and the key of the runs under way.
#[derive(Debug)]
pub struct Server {
    material: InputMaterial,
    context: Option<SecurityContext>,
    key: Option<Secret<32>>,
}

/// What a request under [`Server`] comes to.
#[derive(Debug)]
pub enum Received<'o> {
    /// A request under the established context, or the one that establishes it.
    Unprotected(Unprotected<'o>),
    /// A request under a context that is not established: to be answered with [`Server::protect_first_response`], and
    /// not to be acted on. It may be a replay, so limit how often.
    FirstRequest(FirstResponse),
}

/// What response #1 is made from; good for one response.
#[derive(Debug)]
pub struct FirstResponse {
    binding: RequestBinding,
    r2: [u8; R2_LEN],
    id1: [u8; MAX_ID_CONTEXT],
    id1_len: usize,
}

impl Server {
    /// A server without a context, as after a reboot.
    #[must_use]
    pub const fn new(material: InputMaterial) -> Self {
        Self {
            material,
            context: None,
            key: None,
        }
    }

    /// The established context.
    #[must_use]
    pub const fn context(&self) -> Option<&SecurityContext> {
        self.context.as_ref()
    }

    /// The established context, to protect responses with. A binding belongs to the context it came with: after a new
    /// one is established, drop those from before.
    #[must_use]
    pub const fn context_mut(&mut self) -> Option<&mut SecurityContext> {
        self.context.as_mut()
    }

    /// Forgets the runs under way, as after a timeout (RFC 8613, B.2.1). The established context stays.
    pub fn forget_runs(&mut self) {
        self.key = None;
    }

    /// Whether a request is this client's: by `kid` alone.
    #[must_use]
    pub fn matches(&self, option: &OscoreOption<'_>) -> bool {
        option.kid == Some(self.material.recipient_id.as_bytes())
    }

    /// Verifies a request under the established context, or takes the next step of the protocol (steps 2 and 4).
    ///
    /// `out` as long as the datagram is always enough. The established context is replaced only once request #2 has
    /// verified under the new one, and what has been received before is refused under the new one as under any.
    ///
    /// # Errors
    /// As [`SecurityContext::unprotect_request`]; [`OscoreError::ContextNotFound`] also without `kid context` and without
    /// an established context. `out` is zero after an error.
    pub fn receive<'o>(
        &mut self,
        option: &OscoreOption<'_>,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
        out: &'o mut [u8],
    ) -> Result<Received<'o>, OscoreError> {
        if let Some(context) = &mut self.context
            && context.matches(option)
        {
            let request = context.unprotect_request(option, message, rng, out)?;
            return Ok(Received::Unprotected(request));
        }
        if let Some(id3) = self.own_id_context(option) {
            let mut third = self.material.derive([id3, &[]])?;
            let request = third.unprotect_request(option, message, rng, out)?;
            // RFC 8613, B.2.1: from here on no request #2 of this or another run verifies.
            self.key = None;
            self.context = Some(third);
            return Ok(Received::Unprotected(request));
        }
        let result = self.first_request(option, message, rng, out);
        out.zeroize();
        result.map(Received::FirstRequest)
    }

    /// Step 4: the ID Context of a request, if its R2 is this server's.
    fn own_id_context<'a>(&self, option: &OscoreOption<'a>) -> Option<&'a [u8]> {
        let id3 = unwrap_byte_string(option.kid_context?)?;
        let (s2, rest) = id3.split_first_chunk::<RANDOM_LEN>()?;
        let (tag, r3) = rest.split_first_chunk::<RANDOM_LEN>()?;
        let expected = self.r2_tag(s2)?;
        (self.matches(option)
            && ct_eq(tag, &expected)
            && !r3.is_empty()
            && id3.len() <= MAX_ID_CONTEXT)
            .then_some(id3)
    }

    /// Step 2: verifies a request under the ID Context it brings, to learn that it is the client's, new or old.
    fn first_request(
        &mut self,
        option: &OscoreOption<'_>,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
        out: &mut [u8],
    ) -> Result<FirstResponse, OscoreError> {
        if option.kid.is_none() || option.partial_iv.is_none() {
            return Err(OscoreError::Malformed);
        }
        let received = option
            .kid_context
            .filter(|_| self.matches(option))
            .ok_or(OscoreError::ContextNotFound)?;
        // Wrapped in the protocol; plain in a request under a context that the server has lost (RFC 8613, 5.1).
        let mut result = Err(OscoreError::ContextNotFound);
        for id1 in [unwrap_byte_string(received), Some(received)]
            .into_iter()
            .flatten()
        {
            result = self.verify_under(id1, option, message, rng, out);
            if !matches!(
                result,
                Err(OscoreError::Decryption | OscoreError::ContextNotFound)
            ) {
                break;
            }
        }
        result
    }

    fn verify_under(
        &mut self,
        id1: &[u8],
        option: &OscoreOption<'_>,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
        out: &mut [u8],
    ) -> Result<FirstResponse, OscoreError> {
        let mut stored = [0; MAX_ID_CONTEXT];
        stored
            .get_mut(..id1.len())
            .ok_or(OscoreError::ContextNotFound)?
            .copy_from_slice(id1);
        let binding = self
            .material
            .derive([id1, &[]])?
            .verify_request(option, message, out)?
            .binding;
        Ok(FirstResponse {
            binding,
            r2: self.new_r2(rng),
            id1: stored,
            id1_len: id1.len(),
        })
    }

    /// Writes response #1: 4.01 with R2, under the second context.
    ///
    /// `kind`, `id` and `token` are those of the response.
    ///
    /// # Errors
    /// [`OscoreError::BufferTooSmall`].
    pub fn protect_first_response(
        &self,
        first: FirstResponse,
        kind: Type,
        id: u16,
        token: Token,
        out: &mut [u8],
    ) -> Result<usize, OscoreError> {
        let id1 = first.id1.get(..first.id1_len).unwrap_or(&[]);
        let mut second = self.material.derive([&first.r2, id1])?;
        let message = Message {
            kind,
            code: Code::UNAUTHORIZED,
            id,
            token,
            options: Options::EMPTY,
            payload: &[],
        };
        let r2 = wrapped(&first.r2)?;
        second.protect_response_with(&first.binding, &message, Some(r2.as_bytes()), out)
    }

    // RFC 8613, B.2.1
    fn new_r2(&mut self, rng: &mut dyn CryptoRng) -> [u8; R2_LEN] {
        let s2 = random(rng);
        let tag = match self.r2_tag(&s2) {
            Some(tag) => tag,
            None => {
                let mut key = Secret::full([0; 32]);
                rng.fill_bytes(key.as_mut_bytes());
                let tag = truncated_hmac(&key, &s2);
                self.key = Some(key);
                tag
            }
        };
        let mut r2 = [0; R2_LEN];
        for (place, byte) in r2.iter_mut().zip(s2.iter().chain(&tag)) {
            *place = *byte;
        }
        r2
    }

    /// The tag of an S2; `None` if no run is under way.
    fn r2_tag(&self, s2: &[u8; RANDOM_LEN]) -> Option<[u8; RANDOM_LEN]> {
        self.key.as_ref().map(|key| truncated_hmac(key, s2))
    }
}

fn truncated_hmac(key: &Secret<32>, s2: &[u8; RANDOM_LEN]) -> [u8; RANDOM_LEN] {
    let mut tag = [0; RANDOM_LEN];
    let full = Zeroizing::new(hmac_sha256(key.as_bytes(), &[s2]));
    for (place, byte) in tag.iter_mut().zip(full.iter()) {
        *place = *byte;
    }
    tag
}

fn random(rng: &mut dyn CryptoRng) -> [u8; RANDOM_LEN] {
    let mut bytes = [0; RANDOM_LEN];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Protects a request with the context's whole ID Context wrapped in a CBOR byte string.
fn protect_wrapped(
    context: &mut SecurityContext,
    message: &Message<'_>,
    out: &mut [u8],
) -> Result<(usize, RequestBinding), OscoreError> {
    let id_context = wrapped(context.id_context().unwrap_or(&[]))?;
    context.protect_request_with(message, Some(id_context.as_bytes()), out)
}

fn wrapped(bytes: &[u8]) -> Result<Bytes<{ MAX_ID_CONTEXT + 2 }>, OscoreError> {
    let mut wrapped = Bytes::EMPTY;
    wrapped
        .push_byte_string(bytes)
        .ok_or(OscoreError::IdContextTooLong)?;
    Ok(wrapped)
}
