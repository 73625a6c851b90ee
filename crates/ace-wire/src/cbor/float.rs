/// The bits of the double that has the value of a shorter float, given by its bits (IEEE 754), in integers alone.
pub(crate) fn widen(bits: u64, exponent_bits: u32, mantissa_bits: u32) -> u64 {
    let mantissa = bits & ((1 << mantissa_bits) - 1);
    let highest = (1 << exponent_bits) - 1;
    let exponent = bits >> mantissa_bits & highest;
    let sign = bits >> (exponent_bits + mantissa_bits) << 63;
    let mut fraction = mantissa << (52 - mantissa_bits);
    let bias = 1023 - (highest >> 1);
    let exponent = if exponent == highest {
        0x7ff
    } else if exponent != 0 {
        exponent + bias
    } else if fraction == 0 {
        0
    } else {
        // A double's range has room for all that is subnormal in the shorter format.
        let shift = fraction.leading_zeros() - 11;
        fraction = fraction << shift & ((1 << 52) - 1);
        bias + 1 - u64::from(shift)
    };
    sign | exponent << 52 | fraction
}

#[cfg(test)]
mod tests {
    use super::widen;

    #[test]
    fn every_half_has_the_value_of_rfc8949_appendix_d() {
        for bits in 0..=u16::MAX {
            let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => mantissa * 2f64.powi(-24),
                31 if mantissa == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1024.0 + mantissa) * 2f64.powi(exponent - 25),
            };
            let expected = if bits & 0x8000 == 0 {
                magnitude
            } else {
                -magnitude
            };
            let wide = f64::from_bits(widen(bits.into(), 5, 10));
            assert!(wide.is_nan() == expected.is_nan());
            assert!(
                expected.is_nan() || wide.to_bits() == expected.to_bits(),
                "{bits:04x}"
            );
        }
    }

    #[test]
    fn singles_have_the_value_of_the_processor() {
        let edges = (0..=u8::MAX).flat_map(|exponent| {
            [0, 1, 2, 3, 0x3f_ffff, 0x40_0000, 0x55_5555, 0x7f_ffff]
                .map(|mantissa| u32::from(exponent) << 23 | mantissa)
        });
        for bits in edges.flat_map(|bits| [bits, bits | 1 << 31]) {
            let (single, wide) = (
                f32::from_bits(bits),
                f64::from_bits(widen(bits.into(), 8, 23)),
            );
            assert!(single.is_nan() == wide.is_nan());
            assert!(
                wide.is_nan() || wide.to_bits() == f64::from(single).to_bits(),
                "{bits:08x}"
            );
        }
    }
}
