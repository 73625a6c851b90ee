/// The value of a half-precision float given by its bits (RFC 8949, appendix D).
pub(super) fn half_to_f64(bits: u16) -> f64 {
    let exponent = (bits >> 10) & 0x1f;
    let mantissa = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => mantissa / 16_777_216.0, // mantissa * 2^-24
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => {
            let significand = 1024.0 + mantissa;
            // significand * 2^(exponent - 25)
            if exponent >= 25 {
                significand * f64::from(1u32 << (exponent - 25))
            } else {
                significand / f64::from(1u32 << (25 - exponent))
            }
        }
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}
