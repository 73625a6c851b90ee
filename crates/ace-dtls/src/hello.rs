//! ClientHello, ServerHello and HelloVerifyRequest with their extensions (RFC 5246, 7.4.1; RFC 6347, 4.2.1).

#[cfg(feature = "_ecc")]
use crate::certificate::CertificateType;
use crate::{
    CipherSuite, Credentials, Error, Role,
    bytes::{Reader, Writer},
    config::{ConnectionId, MaxFragmentLength},
    record::{DTLS_1_2, MAX_PLAINTEXT},
    suite::Exchange,
};

pub(crate) const RANDOM_LEN: usize = 32;

/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746, 3.3).
const RENEGOTIATION_SCSV: u16 = 0x00ff;

const MAX_FRAGMENT_LENGTH: u16 = 1;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const CLIENT_CERTIFICATE_TYPE: u16 = 19;
const SERVER_CERTIFICATE_TYPE: u16 = 20;
const EXTENDED_MASTER_SECRET: u16 = 23;
const RECORD_SIZE_LIMIT: u16 = 28;
const CONNECTION_ID: u16 = 54;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// The extensions we know, in the order of the bits in [`Extensions::seen`].
const KNOWN: [u16; 10] = [
    MAX_FRAGMENT_LENGTH,
    SUPPORTED_GROUPS,
    EC_POINT_FORMATS,
    SIGNATURE_ALGORITHMS,
    CLIENT_CERTIFICATE_TYPE,
    SERVER_CERTIFICATE_TYPE,
    EXTENDED_MASTER_SECRET,
    RECORD_SIZE_LIMIT,
    CONNECTION_ID,
    RENEGOTIATION_INFO,
];

/// uncompressed among the point formats (RFC 8422, 5.1.2).
const UNCOMPRESSED: u8 = 0;

/// The extensions of a hello that mean something here; others have been skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extensions<'a> {
    seen: u16,
    pub(crate) groups: Option<&'a [u8]>,
    pub(crate) signature_algorithms: Option<&'a [u8]>,
    pub(crate) client_certificate_types: Option<&'a [u8]>,
    pub(crate) server_certificate_types: Option<&'a [u8]>,
    pub(crate) point_formats: bool,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation_info: bool,
    /// Already cut to what a record may carry at most.
    pub(crate) record_size_limit: Option<u16>,
    pub(crate) max_fragment_length: Option<MaxFragmentLength>,
    pub(crate) connection_id: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    /// `sender` is who wrote the hello.
    fn read(reader: &mut Reader<'a>, sender: Role) -> Result<Self, Error> {
        let mut extensions = Self::default();
        // RFC 5246, 7.4.1.2: they may be left out altogether
        if reader.is_empty() {
            return Ok(extensions);
        }
        let mut list = Reader::new(reader.vec16()?);
        while !list.is_empty() {
            let kind = list.u16()?;
            let data = list.vec16()?;
            let Some(bit) = KNOWN.iter().position(|&known| known == kind) else {
                match sender {
                    Role::Client => continue,
                    // RFC 5246, 7.4.1.4
                    Role::Server => return Err(Error::UnsolicitedExtension),
                }
            };
            if extensions.seen & (1 << bit) != 0 {
                return Err(Error::DuplicateExtension);
            }
            extensions.seen |= 1 << bit;
            extensions.take(kind, data, sender)?;
        }
        Ok(extensions)
    }

    fn take(&mut self, kind: u16, data: &'a [u8], sender: Role) -> Result<(), Error> {
        let mut reader = Reader::new(data);
        match kind {
            MAX_FRAGMENT_LENGTH => {
                // RFC 6066, 4
                let length = MaxFragmentLength::from_number(reader.u8()?);
                self.max_fragment_length = Some(length.ok_or(Error::ExtensionValue)?);
            }
            SUPPORTED_GROUPS => self.groups = Some(pairs(reader.vec16()?)?),
            SIGNATURE_ALGORITHMS => self.signature_algorithms = Some(pairs(reader.vec16()?)?),
            EC_POINT_FORMATS => {
                // RFC 8422, 5.1.2 and 5.2
                if !reader.vec8()?.contains(&UNCOMPRESSED) {
                    return Err(Error::ExtensionValue);
                }
                self.point_formats = true;
            }
            CLIENT_CERTIFICATE_TYPE | SERVER_CERTIFICATE_TYPE => {
                // RFC 7250, 3: a list from the client, the choice from the server
                let types = match sender {
                    Role::Client => reader.vec8()?,
                    Role::Server => reader.take(1)?,
                };
                if types.is_empty() {
                    return Err(Error::Decode);
                }
                *(if kind == CLIENT_CERTIFICATE_TYPE {
                    &mut self.client_certificate_types
                } else {
                    &mut self.server_certificate_types
                }) = Some(types);
            }
            EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            RECORD_SIZE_LIMIT => {
                // RFC 8449, 4
                let limit = reader.u16()?;
                if limit < 64 {
                    return Err(Error::ExtensionValue);
                }
                self.record_size_limit = Some(limit.min(MAX_PLAINTEXT));
            }
            CONNECTION_ID => self.connection_id = Some(reader.vec8()?),
            RENEGOTIATION_INFO => {
                // RFC 5746, 3.4 and 3.6
                if !reader.vec8()?.is_empty() {
                    return Err(Error::RenegotiationInfo);
                }
                self.renegotiation_info = true;
            }
            _ => return Ok(()),
        }
        reader.finish()
    }

    /// Whether a server's extensions answer those that were offered.
    // RFC 5246, 7.4.1.4
    pub(crate) fn check(&self, offered: u16) -> Result<(), Error> {
        if self.seen & !offered != 0 {
            return Err(Error::UnsolicitedExtension);
        }
        Ok(())
    }
}

/// A list of two-byte numbers that is neither empty nor odd.
fn pairs(list: &[u8]) -> Result<&[u8], Error> {
    if list.is_empty() || !list.len().is_multiple_of(2) {
        return Err(Error::Decode);
    }
    Ok(list)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientHello<'a> {
    pub(crate) version: u16,
    pub(crate) suites: &'a [u8],
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let version = ClientHelloStart::read(&mut reader)?.version;
        let suites = pairs(reader.vec16()?)?;
        let compression = reader.vec8()?;
        let mut extensions = Extensions::read(&mut reader, Role::Client)?;
        reader.finish()?;
        // RFC 5246, 7.4.1.2
        if !compression.contains(&0) {
            return Err(Error::Compression);
        }
        // RFC 5746, 3.6
        extensions.renegotiation_info |=
            crate::bytes::numbers(suites).any(|suite| suite == RENEGOTIATION_SCSV);
        Ok(Self {
            version,
            suites,
            extensions,
        })
    }
}

/// The start of a ClientHello, up to the cookie: enough for the cookie exchange, wherever a first fragment ends behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientHelloStart<'a> {
    pub(crate) version: u16,
    pub(crate) random: &'a [u8; RANDOM_LEN],
    pub(crate) session_id: &'a [u8],
    pub(crate) cookie: &'a [u8],
}

impl<'a> ClientHelloStart<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let start = Self {
            version: reader.u16()?,
            random: reader.array()?,
            session_id: reader.vec8()?,
            cookie: reader.vec8()?,
        };
        // RFC 5246, 7.4.1.2
        if start.session_id.len() > 32 {
            return Err(Error::Decode);
        }
        Ok(start)
    }
}

/// What goes into our ClientHello.
pub(crate) struct Offer<'a> {
    pub(crate) config: &'a crate::Config,
    pub(crate) random: &'a [u8; RANDOM_LEN],
    pub(crate) cookie: &'a [u8],
    pub(crate) offers: Offers,
}

/// What a client has credentials for. GnuTLS, for one, refuses raw public keys offered beside pre-shared keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offers {
    psk: bool,
    #[cfg(feature = "_ecc")]
    keys: bool,
    #[cfg(feature = "_ecc")]
    pub(crate) certificates: CertificateType,
}

impl Offers {
    pub(crate) const NONE: Self = Self {
        psk: false,
        #[cfg(feature = "_ecc")]
        keys: false,
        #[cfg(feature = "_ecc")]
        certificates: CertificateType::RawPublicKey,
    };

    pub(crate) fn of(credentials: &dyn Credentials) -> Self {
        let psk = credentials.own_psk(&[]).is_some();
        Self {
            psk,
            #[cfg(feature = "_ecc")]
            keys: !psk || credentials.signing_key().is_some(),
            #[cfg(feature = "_ecc")]
            certificates: CertificateType::of(credentials),
        }
    }

    fn has(self, exchange: Exchange) -> bool {
        match exchange {
            Exchange::Psk => self.psk,
            #[cfg(feature = "_ecc")]
            Exchange::EcdhePsk => self.psk,
            #[cfg(feature = "_ecc")]
            Exchange::EcdheEcdsa => self.keys,
        }
    }
}

impl Offer<'_> {
    /// Whether a suite is among those offered.
    pub(crate) fn has(&self, suite: CipherSuite) -> bool {
        self.suites().any(|offered| offered == suite)
    }

    fn suites(&self) -> impl Iterator<Item = CipherSuite> {
        let suites = self.config.suites.iter().copied();
        suites.filter(|suite| self.offers.has(suite.exchange()))
    }

    /// Whether there is a suite to offer.
    pub(crate) fn is_possible(&self) -> bool {
        self.suites().next().is_some()
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.u16(DTLS_1_2);
        writer.put(self.random);
        writer.u8(0);
        writer.vec(1, |w| w.put(self.cookie));
        writer.vec(2, |w| {
            self.suites().for_each(|suite| w.u16(suite.number()));
        });
        writer.put(&[1, 0]);
        writer.vec(2, |w| self.write_extensions(w));
    }

    #[cfg(feature = "_ecc")]
    fn any(&self, exchange: Exchange) -> bool {
        self.suites().any(|suite| suite.exchange() == exchange)
    }

    /// The extensions in it, as bits in the order of [`KNOWN`].
    pub(crate) fn kinds(&self) -> u16 {
        let config = self.config;
        let mut kinds = 0;
        for (bit, kind) in KNOWN.iter().enumerate() {
            let offered = match *kind {
                MAX_FRAGMENT_LENGTH => config.max_fragment_length.is_some(),
                RECORD_SIZE_LIMIT => config.record_size_limit.is_some(),
                CONNECTION_ID => config.connection_id.is_some(),
                RENEGOTIATION_INFO | EXTENDED_MASTER_SECRET => true,
                // RFC 8422, 5.1
                #[cfg(feature = "_ecc")]
                SUPPORTED_GROUPS | EC_POINT_FORMATS => {
                    self.any(Exchange::EcdheEcdsa) || self.any(Exchange::EcdhePsk)
                }
                // RFC 7250, 4.1: X.509 without them
                #[cfg(feature = "_ecc")]
                CLIENT_CERTIFICATE_TYPE | SERVER_CERTIFICATE_TYPE => {
                    self.any(Exchange::EcdheEcdsa) && self.offers.certificates.is_raw()
                }
                // RFC 5246, 7.4.1.4.1
                #[cfg(feature = "_ecc")]
                _ => self.any(Exchange::EcdheEcdsa),
                #[cfg(not(feature = "_ecc"))]
                _ => false,
            };
            kinds |= u16::from(offered) << bit;
        }
        kinds
    }

    fn write_extensions(&self, w: &mut Writer<'_>) {
        let kinds = self.kinds();
        for (bit, &kind) in KNOWN.iter().enumerate() {
            if kinds & (1 << bit) != 0 {
                w.extension(kind, |w| self.write_extension(kind, w));
            }
        }
    }

    fn write_extension(&self, kind: u16, w: &mut Writer<'_>) {
        let config = self.config;
        match kind {
            MAX_FRAGMENT_LENGTH => {
                w.u8(config.max_fragment_length.map_or(0, |length| length as u8))
            }
            RECORD_SIZE_LIMIT => w.u16(config.own_record_size().unwrap_or(0)),
            CONNECTION_ID => {
                let cid = config.connection_id.unwrap_or_default();
                w.vec(1, |w| w.put(cid.as_bytes()));
            }
            RENEGOTIATION_INFO => w.u8(0),
            #[cfg(feature = "_ecc")]
            SUPPORTED_GROUPS => w.vec(2, |w| {
                let groups = config.groups.iter();
                groups.for_each(|group| w.u16(group.named_group()));
            }),
            #[cfg(feature = "_ecc")]
            EC_POINT_FORMATS => w.put(&[1, UNCOMPRESSED]),
            #[cfg(feature = "_ecc")]
            SIGNATURE_ALGORITHMS => crate::signing::write_algorithms(w),
            #[cfg(feature = "_ecc")]
            CLIENT_CERTIFICATE_TYPE | SERVER_CERTIFICATE_TYPE => {
                w.put(&[1, CertificateType::RawPublicKey as u8])
            }
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerHello<'a> {
    pub(crate) version: u16,
    pub(crate) suite: u16,
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        reader.take(RANDOM_LEN)?;
        let session_id = reader.vec8()?;
        let suite = reader.u16()?;
        let compression = reader.u8()?;
        let extensions = Extensions::read(&mut reader, Role::Server)?;
        reader.finish()?;
        if session_id.len() > 32 {
            return Err(Error::Decode);
        }
        // RFC 5246, 7.4.1.3
        if compression != 0 {
            return Err(Error::Compression);
        }
        Ok(Self {
            version,
            suite,
            extensions,
        })
    }
}

/// What goes into our ServerHello; only what the client offered may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) suite: crate::CipherSuite,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation_info: bool,
    pub(crate) point_formats: bool,
    #[cfg(feature = "_ecc")]
    pub(crate) client_certificate_type: Option<CertificateType>,
    #[cfg(feature = "_ecc")]
    pub(crate) server_certificate_type: Option<CertificateType>,
    pub(crate) record_size_limit: Option<u16>,
    pub(crate) max_fragment_length: Option<MaxFragmentLength>,
    pub(crate) connection_id: Option<ConnectionId>,
}

impl Answer {
    pub(crate) fn write(&self, random: &[u8; RANDOM_LEN], writer: &mut Writer<'_>) {
        writer.u16(DTLS_1_2);
        writer.put(random);
        writer.u8(0);
        writer.u16(self.suite.number());
        writer.u8(0);
        let start = writer.len();
        writer.vec(2, |w| self.write_extensions(w));
        // RFC 5246, 7.4.1.3: an empty list is better left out
        if writer.len() == start + 2 {
            writer.back_to(start);
        }
    }

    fn write_extensions(&self, w: &mut Writer<'_>) {
        if self.renegotiation_info {
            w.extension(RENEGOTIATION_INFO, |w| w.u8(0));
        }
        if self.extended_master_secret {
            w.extension(EXTENDED_MASTER_SECRET, |_| ());
        }
        if self.point_formats {
            w.extension(EC_POINT_FORMATS, |w| w.put(&[1, UNCOMPRESSED]));
        }
        #[cfg(feature = "_ecc")]
        if let Some(kind) = self.client_certificate_type {
            w.extension(CLIENT_CERTIFICATE_TYPE, |w| w.u8(kind as u8));
        }
        #[cfg(feature = "_ecc")]
        if let Some(kind) = self.server_certificate_type {
            w.extension(SERVER_CERTIFICATE_TYPE, |w| w.u8(kind as u8));
        }
        if let Some(limit) = self.record_size_limit {
            w.extension(RECORD_SIZE_LIMIT, |w| w.u16(limit));
        }
        if let Some(length) = self.max_fragment_length {
            w.extension(MAX_FRAGMENT_LENGTH, |w| w.u8(length as u8));
        }
        if let Some(cid) = &self.connection_id {
            w.extension(CONNECTION_ID, |w| w.vec(1, |w| w.put(cid.as_bytes())));
        }
    }
}

/// The cookie of a HelloVerifyRequest (RFC 6347, 4.2.1).
pub(crate) fn parse_hello_verify_request(body: &[u8]) -> Result<&[u8], Error> {
    let mut reader = Reader::new(body);
    // The version says nothing but the format.
    reader.u16()?;
    let cookie = reader.vec8()?;
    reader.finish()?;
    Ok(cookie)
}
