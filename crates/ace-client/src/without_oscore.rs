//! In place of `oscore` where it is not built in: types without values.

use core::convert::Infallible;
use core::marker::PhantomData;

use ace_crypto::CryptoRng;
use ace_oscore::storage::Storage;
use ace_wire::ace::OscoreInputMaterial;
use ace_wire::cbor::{self, Writer};
use ace_wire::coap::Message;

use crate::{ClientError, Config, Reason};

pub(crate) enum Binding {}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Material<'a>(Infallible, PhantomData<&'a ()>);

impl<'a> Material<'a> {
    pub(crate) const fn stored(
        _: &'a [u8],
        _: &'a [u8],
        _: [i64; 2],
        _: [Option<&'a [u8]>; 2],
    ) -> Option<Self> {
        None
    }

    pub(crate) const fn write(&self, _: &mut Writer<'_>) -> Result<(), cbor::Error> {
        match self.0 {}
    }

    pub(crate) const fn id(&self) -> &'a [u8] {
        match self.0 {}
    }

    pub(crate) const fn check(_: &OscoreInputMaterial<'a>) -> Result<Self, Reason> {
        Err(Reason::Confirmation)
    }
}

pub(crate) enum Context {}

impl Context {
    pub(crate) const fn with_authority<P>(
        _: &Config<'_, P>,
        _: &mut impl Storage,
    ) -> Result<Option<Self>, ClientError> {
        Ok(None)
    }

    pub(crate) const fn reserve<P>(
        &mut self,
        _: &Config<'_, P>,
        _: &mut impl Storage,
    ) -> Result<(), Reason> {
        match *self {}
    }

    pub(crate) const fn protect(
        &mut self,
        _: &Message<'_>,
        _: &mut [u8],
    ) -> Result<(usize, Binding), Reason> {
        match *self {}
    }

    pub(crate) const fn unprotect<'o>(
        &mut self,
        _: &mut Binding,
        _: &Message<'_>,
        _: &'o mut [u8],
    ) -> Option<Message<'o>> {
        match *self {}
    }

    pub(crate) const fn is_exhausted(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn uses(&self, _: u8) -> bool {
        match *self {}
    }
}

#[derive(Default)]
pub(crate) struct Upload;

impl Upload {
    pub(crate) fn draw(
        &mut self,
        _: &mut dyn CryptoRng,
        _: impl Fn(u8) -> bool,
    ) -> Result<(), Reason> {
        Err(Reason::Unsendable)
    }

    pub(crate) const fn encode(&self, _: &[u8], _: &mut [u8]) -> Result<usize, Reason> {
        Err(Reason::Unsendable)
    }

    pub(crate) const fn derive(
        &self,
        material: &Material<'_>,
        _: Option<u16>,
        _: &[u8],
    ) -> Result<Context, Reason> {
        match material.0 {}
    }
}
