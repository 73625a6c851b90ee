use core::fmt;

use crate::cbor::{Error, Kind, Reader, Writer};

/// `aud`: one audience, or several (RFC 7519, 4.1.3; RFC 8392, 3.1.3).
#[derive(Clone, Copy)]
pub struct Audience<'a>(Form<'a>);

#[derive(Clone, Copy)]
enum Form<'a> {
    One(&'a str),
    List(&'a [&'a str]),
    /// A checked array of text strings.
    Cbor(&'a [u8]),
}

impl<'a> Audience<'a> {
    /// A single audience.
    #[must_use]
    pub const fn one(audience: &'a str) -> Self {
        Self(Form::One(audience))
    }

    /// Several audiences, written as an array.
    #[must_use]
    pub const fn list(audiences: &'a [&'a str]) -> Self {
        Self(Form::List(audiences))
    }

    /// The audiences in the order of the token.
    #[must_use]
    pub fn iter(&self) -> AudienceIter<'a> {
        AudienceIter(match self.0 {
            Form::One(audience) => Rest::One(Some(audience)),
            Form::List(list) => Rest::List(list),
            Form::Cbor(cbor) => {
                let mut reader = Reader::new(cbor);
                // Checked when parsed.
                match reader.array_head() {
                    Ok(_) => Rest::Cbor(reader),
                    Err(_) => Rest::One(None),
                }
            }
        })
    }

    /// Whether `audience` is one of them (compared byte by byte, RFC 7519, 2).
    #[must_use]
    pub fn contains(&self, audience: &str) -> bool {
        self.iter().any(|each| each == audience)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        if reader.kind()? == Kind::Text {
            return reader.text().map(Self::one);
        }
        let mut look = reader.clone();
        look.array(|_, element| element.text().map(drop))?;
        reader.skip().map(|cbor| Self(Form::Cbor(cbor)))
    }

    pub(crate) fn write_entry(
        audience: Option<&Self>,
        key: i64,
        writer: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let Some(audience) = audience else {
            return Ok(());
        };
        writer.int(key)?;
        if let Form::One(audience) = audience.0 {
            return writer.text(audience);
        }
        writer.array(audience.iter().count())?;
        audience
            .iter()
            .try_for_each(|audience| writer.text(audience))
    }
}

/// The audiences of an [`Audience`].
#[derive(Debug, Clone)]
pub struct AudienceIter<'a>(Rest<'a>);

#[derive(Debug, Clone)]
enum Rest<'a> {
    One(Option<&'a str>),
    List(&'a [&'a str]),
    Cbor(Reader<'a>),
}

impl<'a> Iterator for AudienceIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match &mut self.0 {
            Rest::One(audience) => audience.take(),
            Rest::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(first)
            }
            // Checked when parsed: fails at the end alone.
            Rest::Cbor(reader) => reader.text().ok(),
        }
    }
}

impl PartialEq for Audience<'_> {
    fn eq(&self, other: &Self) -> bool {
        let single = |audience: &Self| matches!(audience.0, Form::One(_));
        single(self) == single(other) && self.iter().eq(other.iter())
    }
}

impl Eq for Audience<'_> {}

impl fmt::Debug for Audience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::One(audience) => fmt::Debug::fmt(audience, f),
            _ => f.debug_list().entries(self.iter()).finish(),
        }
    }
}
