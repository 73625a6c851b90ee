//! The rights of a token, kept on the device, and the decision they make (RFC 9200, 5.10.2).

use ace_wire::ace::Scope as Claim;
use ace_wire::aif::{Aif, MethodSet, Permission};
use ace_wire::coap::{Code, Options, option};

use crate::Refusal;
use crate::config::ScopeName;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights<'a> {
    /// Bit *i* is entry *i* of the configured names.
    Named(u64),
    /// Checked AIF.
    Aif(&'a [u8]),
}

impl<'a> Rights<'a> {
    /// Takes over what a `scope` claim says, if all of it is understood.
    // RFC 9200, 5.10.1.1
    pub(crate) fn recognize(claim: Claim<'a>, names: &[ScopeName<'_>]) -> Result<Self, Refusal> {
        match claim {
            Claim::Bytes(bytes) => {
                Aif::parse(bytes).map_err(|_| Refusal::Scope)?;
                Ok(Self::Aif(bytes))
            }
            Claim::Text(text) => {
                let mut entries = 0u64;
                // RFC 6749, 3.3: words separated by one space each.
                for word in text.split(' ') {
                    let of_word = names
                        .iter()
                        .zip(0u32..u64::BITS)
                        .filter(|(entry, _)| entry.name == word)
                        .fold(0, |bits, (_, bit)| bits | 1 << bit);
                    if of_word == 0 {
                        return Err(Refusal::Scope);
                    }
                    entries |= of_word;
                }
                Ok(Self::Named(entries))
            }
        }
    }

    /// What the rights say about a request with these options.
    pub(crate) fn permit(
        &self,
        names: &[ScopeName<'_>],
        options: Options<'_>,
        method: Code,
    ) -> Permission {
        match self {
            Self::Aif(bytes) => {
                let Ok(aif) = Aif::parse(bytes) else {
                    return Permission::NoSuchObject;
                };
                let values = |number| {
                    options
                        .iter()
                        .filter(move |o| o.number == number)
                        .map(|o| o.value)
                };
                aif.permits_options(values(option::URI_PATH), values(option::URI_QUERY), method)
            }
            Self::Named(entries) => {
                let methods = names
                    .iter()
                    .zip(0u32..u64::BITS)
                    .filter(|(entry, bit)| entries >> bit & 1 == 1 && options.path_is(entry.path))
                    .map(|(entry, _)| entry.methods)
                    .reduce(|all, methods| all | methods);
                match methods {
                    None => Permission::NoSuchObject,
                    Some(methods) if methods.contains(method) => Permission::Allowed,
                    Some(_) => Permission::MethodNotAllowed,
                }
            }
        }
    }

    /// Whether GET on `path`, without query, is allowed.
    pub(crate) fn permits_get(&self, names: &[ScopeName<'_>], path: &str) -> bool {
        match self {
            Self::Aif(bytes) => Aif::parse(bytes)
                .is_ok_and(|aif| aif.permits(path, None, Code::GET) == Permission::Allowed),
            Self::Named(entries) => names.iter().zip(0u32..u64::BITS).any(|(entry, bit)| {
                entries >> bit & 1 == 1 && entry.path == path && entry.methods.contains(Code::GET)
            }),
        }
    }
}

/// AIF with this one method on the path of these options, for hints (RFC 9200, 5.3); `None` if it
/// does not fit, or the path is no text.
pub(crate) fn asked<'b>(options: Options<'_>, method: Code, out: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut path = heapless::String::<128>::new();
    for segment in options.iter().filter(|o| o.number == option::URI_PATH) {
        path.push('/').ok()?;
        for byte in segment.value {
            match byte {
                // RFC 3986, 3.3: what may stand in a segment as it is.
                b'A'..=b'Z'
                | b'a'..=b'z'
                | b'0'..=b'9'
                | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@' => {
                    path.push(char::from(*byte)).ok()?;
                }
                _ => {
                    path.push('%').ok()?;
                    for nibble in [byte >> 4, byte & 0xf] {
                        let digit = char::from_digit(nibble.into(), 16)?;
                        path.push(digit.to_ascii_uppercase()).ok()?;
                    }
                }
            }
        }
    }
    if path.is_empty() {
        path.push('/').ok()?;
    }
    let entry = core::iter::once((path.as_str(), MethodSet::of(method)));
    let length = Aif::encode(entry, out).ok()?;
    out.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_wire::coap::{OptionList, Writer};

    const NAMES: [ScopeName<'static>; 3] = [
        ScopeName {
            name: "read",
            path: "/temp",
            methods: MethodSet::GET,
        },
        ScopeName {
            name: "read",
            path: "/led",
            methods: MethodSet::GET,
        },
        ScopeName {
            name: "switch",
            path: "/led",
            methods: MethodSet::PUT,
        },
    ];

    struct Encoded([u8; 128], usize);

    impl Encoded {
        fn new(path: &str, query: Option<&str>) -> Self {
            let mut list = OptionList::<8>::new();
            list.push_path(path).unwrap();
            if let Some(query) = query {
                list.push(option::URI_QUERY, query).unwrap();
            }
            let mut buffer = [0; 128];
            let mut writer = Writer::plaintext(&mut buffer, Code::GET).unwrap();
            writer.options(&list).unwrap();
            let length = writer.finish();
            Self(buffer, length)
        }

        fn options(&self) -> Options<'_> {
            Options::parse_with_payload(&self.0[1..self.1]).unwrap().0
        }
    }

    fn permit(rights: &Rights<'_>, path: &str, method: Code) -> Permission {
        rights.permit(&NAMES, Encoded::new(path, None).options(), method)
    }

    #[test]
    fn rfc9200_5_10_1_1_every_word_of_a_text_scope_is_known() {
        let rights = Rights::recognize(Claim::Text("read"), &NAMES).unwrap();
        assert_eq!(permit(&rights, "/temp", Code::GET), Permission::Allowed);
        assert_eq!(permit(&rights, "/led", Code::GET), Permission::Allowed);
        assert_eq!(
            permit(&rights, "/led", Code::PUT),
            Permission::MethodNotAllowed
        );
        assert_eq!(
            permit(&rights, "/door", Code::GET),
            Permission::NoSuchObject
        );
        let rights = Rights::recognize(Claim::Text("switch read"), &NAMES).unwrap();
        assert_eq!(permit(&rights, "/led", Code::PUT), Permission::Allowed);
        for unknown in [
            "",
            " ",
            "read ",
            "read  switch",
            "Read",
            "read write",
            "rea",
        ] {
            let refused = Rights::recognize(Claim::Text(unknown), &NAMES);
            assert_eq!(refused, Err(Refusal::Scope), "{unknown:?}");
        }
    }

    #[test]
    fn rfc9237_3_binary_scope_decides() {
        let mut aif = [0; 64];
        let entries = [
            ("/temp", MethodSet::GET),
            ("/led", MethodSet::GET | MethodSet::PUT),
        ];
        let length = Aif::encode(entries.into_iter(), &mut aif).unwrap();
        let rights = Rights::recognize(Claim::Bytes(&aif[..length]), &NAMES).unwrap();
        assert_eq!(permit(&rights, "/led", Code::PUT), Permission::Allowed);
        assert_eq!(
            permit(&rights, "/temp", Code::PUT),
            Permission::MethodNotAllowed
        );
        assert_eq!(
            permit(&rights, "/temp/1", Code::GET),
            Permission::NoSuchObject
        );
        let queried = Encoded::new("/temp", Some("unit=f"));
        assert_eq!(
            rights.permit(&NAMES, queried.options(), Code::GET),
            Permission::NoSuchObject
        );
    }

    #[test]
    fn rfc9203_4_2_binary_scope_that_is_no_aif_is_refused() {
        let mut aif = [0; 64];
        let entries = [("/a-rather-long-path-to-something", MethodSet::GET)];
        let length = Aif::encode(entries.into_iter(), &mut aif).unwrap();
        for end in 0..length {
            let cut = Rights::recognize(Claim::Bytes(&aif[..end]), &NAMES);
            assert_eq!(cut, Err(Refusal::Scope), "{end}");
        }
    }

    #[test]
    fn rfc9200_5_3_scope_hint_is_what_was_asked() {
        for (path, method) in [
            ("/temp", Code::GET),
            ("/", Code::GET),
            ("/a b/ü", Code::PUT),
        ] {
            let options = Encoded::new(path, Some("x=1"));
            let mut out = [0; 64];
            let hint = asked(options.options(), method, &mut out).unwrap();
            let rights = Rights::recognize(Claim::Bytes(hint), &[]).unwrap();
            assert_eq!(
                permit_any(&rights, path, method),
                Permission::Allowed,
                "{path}"
            );
            assert_eq!(
                permit_any(&rights, path, Code::DELETE),
                Permission::MethodNotAllowed
            );
        }
    }

    fn permit_any(rights: &Rights<'_>, path: &str, method: Code) -> Permission {
        rights.permit(&[], Encoded::new(path, None).options(), method)
    }
}
