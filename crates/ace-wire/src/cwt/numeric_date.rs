use crate::cbor::{Error, Kind, Reader, Writer};

const NANOSECONDS: u32 = 1_000_000_000;

/// Seconds since 1970-01-01T00:00Z, an integer or a float on the wire (RFC 8392, 2).
///
/// NaN, infinities and negative numbers are refused when parsed: no comparison with a clock could
/// be trusted. Ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate {
    seconds: u64,
    nanoseconds: u32,
}

impl NumericDate {
    /// A date of whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// The whole seconds, rounded down.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.seconds
    }

    /// The rest, 0 to 999,999,999.
    #[must_use]
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        match reader.kind()? {
            Kind::Int => match reader.uint() {
                Ok(seconds) => Ok(Self::from_seconds(seconds)),
                // A negative integer.
                Err(Error::WrongType) => Err(Error::NumericDate),
                Err(error) => Err(error),
            },
            Kind::Float => Self::from_float(reader.float_bits()?),
            _ => Err(Error::WrongType),
        }
    }

    /// From the bits of a double, in integers: a device without a floating point unit pays 2 KB for arithmetic on doubles.
    fn from_float(bits: u64) -> Result<Self, Error> {
        // Zero with either sign.
        if bits << 1 == 0 {
            return Ok(Self::from_seconds(0));
        }
        // Negative ones come out too large.
        let exponent = bits >> 52;
        // From 2^53 on there are no exact seconds any more; infinities and NaN are above it too.
        if exponent >= 1023 + 53 {
            return Err(Error::NumericDate);
        }
        let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
        // Where the point is in the mantissa, from the right: 0 to 1075.
        let point = 1023 + 52 - exponent;
        let seconds = if point < 64 { mantissa >> point } else { 0 };
        // The fraction, in units of 2^-64; what is shifted out is far below a nanosecond.
        let fraction = match point {
            0 => 0,
            1..=64 => mantissa << (64 - point),
            65..=127 => mantissa >> (point - 64),
            _ => 0,
        };
        let (high, low) = (fraction >> 32, fraction & 0xffff_ffff);
        let scale = u64::from(NANOSECONDS);
        let nanoseconds = (high * scale + ((low * scale) >> 32) + (1 << 31)) >> 32;
        Ok(match u32::try_from(nanoseconds) {
            Ok(nanoseconds) if nanoseconds < NANOSECONDS => Self {
                seconds,
                nanoseconds,
            },
            _ => Self::from_seconds(seconds.saturating_add(1)),
        })
    }

    pub(crate) fn write_entry(
        date: Option<Self>,
        key: i64,
        writer: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let Some(date) = date else { return Ok(()) };
        writer.int(key)?;
        if date.nanoseconds == 0 {
            return writer.uint(date.seconds);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a fraction comes from a float below 2^53"
        )]
        let seconds = date.seconds as f64;
        writer.float(seconds + f64::from(date.nanoseconds) / f64::from(NANOSECONDS))
    }
}
