use crate::cbor::{Error, Writer};

/// Writes Enc_structure for COSE_Encrypt0 (RFC 9052, 5.3), the additional data of the AEAD:
/// `["Encrypt0", protected, external_aad]`. Returns its length.
///
/// # Errors
/// [`Error::BufferTooSmall`]: 11 bytes, up to 9 for each length, and both strings are needed.
pub fn enc_structure(
    protected: &[u8],
    external_aad: &[u8],
    out: &mut [u8],
) -> Result<usize, Error> {
    let mut writer = Writer::new(out);
    writer.array(3)?;
    writer.text("Encrypt0")?;
    writer.bytes(protected)?;
    writer.bytes(external_aad)?;
    Ok(writer.finish())
}

/// Writes MAC_structure for COSE_Mac0 (RFC 9052, 6.3) up to the payload: the MAC runs over these
/// bytes followed by the `payload_length` bytes of the payload. Returns the length of the part
/// written.
///
/// # Errors
/// [`Error::BufferTooSmall`].
pub fn mac_structure(
    protected: &[u8],
    external_aad: &[u8],
    payload_length: usize,
    out: &mut [u8],
) -> Result<usize, Error> {
    with_payload("MAC0", protected, external_aad, payload_length, out)
}

/// Writes Sig_structure for COSE_Sign1 (RFC 9052, 4.4) up to the payload: the signature runs over
/// these bytes followed by the `payload_length` bytes of the payload. Returns the length of the
/// part written.
///
/// # Errors
/// [`Error::BufferTooSmall`].
pub fn sig_structure(
    protected: &[u8],
    external_aad: &[u8],
    payload_length: usize,
    out: &mut [u8],
) -> Result<usize, Error> {
    with_payload("Signature1", protected, external_aad, payload_length, out)
}

fn with_payload(
    context: &str,
    protected: &[u8],
    external_aad: &[u8],
    payload_length: usize,
    out: &mut [u8],
) -> Result<usize, Error> {
    let mut writer = Writer::new(out);
    writer.array(4)?;
    writer.text(context)?;
    writer.bytes(protected)?;
    writer.bytes(external_aad)?;
    writer.bytes_head(payload_length)?;
    Ok(writer.finish())
}
