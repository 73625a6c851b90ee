//! Proxy-Uri (RFC 8613, 4.1.3.3).

use super::{
    messages::{outer, owned},
    *,
};
use ace_wire::coap::option;

#[test]
fn rfc8613_4_1_3_3_proxy_uri_is_split() {
    for (uri, origin, path, query) in [
        (
            "coap://example.com/resource?q=1",
            "coap://example.com",
            vec!["resource"],
            vec!["q=1"],
        ),
        ("coap://example.com", "coap://example.com", vec![], vec![]),
        ("coap://example.com/", "coap://example.com", vec![], vec![]),
        (
            "coaps://[2001:db8::1]:61616/a/b/?x&y=/",
            "coaps://[2001:db8::1]:61616",
            vec!["a", "b", ""],
            vec!["x", "y=/"],
        ),
        ("http://h?q%26%3D", "http://h", vec![], vec!["q&="]),
        (
            "coap://h/%2F%c3%a9//",
            "coap://h",
            vec!["/\u{e9}", "", ""],
            vec![],
        ),
    ] {
        let (mut client, mut server) = pair();
        let original = datagram(
            Code::GET,
            &[
                (option::URI_HOST, b"ignored"),
                (option::URI_PATH, b"ignored"),
                (option::CONTENT_FORMAT, &[60]),
                (option::URI_QUERY, b"ignored"),
                (option::ACCEPT, &[50]),
                (option::PROXY_URI, uri.as_bytes()),
            ],
            &[],
        );
        let (message, _) = protect(&mut client, &original).unwrap();
        let outer = outer(&message).1;
        assert_eq!(outer.len(), 2, "{uri}");
        assert_eq!(outer[1], (option::PROXY_URI, origin.as_bytes().to_vec()));

        let (plain, _) = receive(&mut server, &message).unwrap().request();
        let mut expected: Vec<(u16, &[u8])> = vec![];
        expected.extend(path.iter().map(|p| (option::URI_PATH, p.as_bytes())));
        expected.push((option::CONTENT_FORMAT, &[60]));
        expected.extend(query.iter().map(|q| (option::URI_QUERY, q.as_bytes())));
        expected.push((option::ACCEPT, &[50]));
        expected.push((option::PROXY_URI, origin.as_bytes()));
        assert_eq!(plain.options, owned(&expected), "{uri}");
    }
}

#[test]
fn rfc8613_4_1_3_3_proxy_uri_that_cannot_be_split_is_refused() {
    let (mut client, _) = pair();
    let before = state(&client);
    let long = std::format!("coap://h/{}", "x".repeat(256));
    for uri in [
        "coap:/h",
        "://h/",
        "coap:///x",
        "coap://u@h/",
        "coap://h/#f",
        "example.com",
    ] {
        let original = datagram(Code::GET, &[(option::PROXY_URI, uri.as_bytes())], &[]);
        let error = protect(&mut client, &original).unwrap_err();
        assert_eq!(error, OscoreError::ProxyUri, "{uri}");
    }
    assert_eq!(state(&client), before);
    for uri in [
        "coap://h/%",
        "coap://h/%4",
        "coap://h/%zz",
        "coap://h/%+1",
        &long,
    ] {
        let original = datagram(Code::GET, &[(option::PROXY_URI, uri.as_bytes())], &[]);
        let error = protect(&mut client, &original).unwrap_err();
        assert_eq!(error, OscoreError::ProxyUri, "{uri}");
    }
}
