use crate::cbor::{Error, Kind, Reader, Writer};

const NANOSECONDS: u32 = 1_000_000_000;
/// Floats at or above this have no exact seconds any more.
const EXACT_FLOAT_SECONDS: f64 = 9_007_199_254_740_992.0; // 2^53

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
            Kind::Float => Self::from_float(reader.float()?),
            _ => Err(Error::WrongType),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "0 <= value < 2^53 is checked, a fraction is below 1"
    )]
    fn from_float(value: f64) -> Result<Self, Error> {
        // False for NaN as well.
        if !(0.0..EXACT_FLOAT_SECONDS).contains(&value) {
            return Err(Error::NumericDate);
        }
        let seconds = value as u64;
        let fraction = value - seconds as f64;
        let nanoseconds = (fraction * f64::from(NANOSECONDS) + 0.5) as u32;
        Ok(if nanoseconds < NANOSECONDS {
            Self {
                seconds,
                nanoseconds,
            }
        } else {
            Self::from_seconds(seconds.saturating_add(1))
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
